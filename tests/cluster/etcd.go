package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd runs a single etcd in this process and returns when it serves.
// Nothing is synced to disk: a test cluster need not survive a power cut, and starts and writes much faster so.
// Nothing is compacted either: tests read the history of every object from it.
func (c *cluster) startEtcd(ctx context.Context, clientURL *url.URL) (*embed.Etcd, error) {
	peerURL, err := c.reserve("http")
	if err != nil {
		return nil, err
	}
	log := c.path("logs", "etcd.log")
	cfg := embed.NewConfig()
	cfg.Dir = c.path("etcd")
	cfg.LogLevel = "error"
	cfg.LogOutputs = []string{log}
	cfg.UnsafeNoFsync = true
	cfg.QuotaBackendBytes = 8 << 30
	// A lone member elects itself after the election timeout; short ones start the cluster sooner.
	cfg.TickMs, cfg.ElectionMs = 50, 250
	cfg.SocketOpts.ReusePort = true // the port is reserved, see reservePort
	cfg.ListenClientUrls = []url.URL{*clientURL}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.ListenPeerUrls = []url.URL{*peerURL}
	cfg.AdvertisePeerUrls = cfg.ListenPeerUrls
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, err
	}
	go func() {
		if err := <-e.Err(); err != nil {
			c.end(fmt.Errorf("etcd: %w; end of %s:\n%s", err, log, tail(log, 20)))
		}
	}()
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case <-ctx.Done():
		return e, context.Cause(ctx)
	}
}

// stopEtcd closes it, so that its files can be read afterwards, but does not wait for long.
func stopEtcd(e *embed.Etcd) {
	if e == nil {
		return
	}
	closed := make(chan struct{})
	go func() {
		e.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(time.Second):
	}
}
