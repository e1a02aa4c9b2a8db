package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// cluster owns everything that runs for one `up`: etcd in this process, the components as children.
type cluster struct {
	upOptions
	end      context.CancelCauseFunc
	etcd     *embed.Etcd
	children []*child
	held     []func() error // releases reserved ports and address ranges
}

// description is what a user of the cluster needs to know; printed when ready and kept in cluster.json.
type description struct {
	Dir         string            `json:"dir"`
	Server      string            `json:"server"`
	Etcd        string            `json:"etcd"`
	CA          string            `json:"ca"`
	Kubeconfig  string            `json:"kubeconfig"`
	AuditLog    string            `json:"auditLog"`
	History     string            `json:"history"` // URL of every version of every object, see history.go
	ServiceCIDR string            `json:"serviceCIDR"`
	PodCIDR     string            `json:"podCIDR"`
	Token       string            `json:"token"` // of the user admin
	Users       map[string]string `json:"users"` // name to token, for --users
	Pids        map[string]int    `json:"pids"`  // name to process id; "up" is this process, and etcd in it
}

func newCluster(o upOptions, end context.CancelCauseFunc) *cluster {
	return &cluster{upOptions: o, end: end}
}

func (c *cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// start brings everything up in order and announces it. It returns early when ctx ends; what it started until then
// is left to stop.
func (c *cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready after %s; see the logs in %s", readyTimeout, c.path("logs")))
	defer cancel()
	if err := c.prepareDir(); err != nil {
		return err
	}
	d := description{Dir: c.dir, CA: c.path("ca.crt"), Kubeconfig: c.path("kubeconfig"), AuditLog: c.path("audit.log")}
	serverURL, err := c.reserve("https")
	if err != nil {
		return err
	}
	etcdURL, err := c.reserve("http")
	if err != nil {
		return err
	}
	d.Server, d.Etcd = serverURL.String(), etcdURL.String()
	if d.ServiceCIDR, err = c.claimRange(); err != nil {
		return err
	}
	if d.PodCIDR, err = c.claimRange(); err != nil {
		return err
	}
	if err := c.writeAccess(&d); err != nil {
		return err
	}
	if c.etcd, err = c.startEtcd(ctx, etcdURL); err != nil {
		return fmt.Errorf("starting etcd: %w", err)
	}
	if d.History, err = c.serveHistory(c.etcd); err != nil {
		return err
	}
	if err := c.startComponents(ctx, d); err != nil {
		return err
	}
	d.Pids = map[string]int{"up": os.Getpid()}
	for _, ch := range c.children {
		d.Pids[ch.name] = ch.cmd.Process.Pid
	}
	return c.announce(d)
}

func (c *cluster) prepareDir() error {
	if _, err := os.Stat(c.path("etcd")); err == nil {
		return fmt.Errorf("%s already held a cluster: name another directory, or remove it", c.dir)
	}
	for _, sub := range []string{"", "logs", "private"} {
		if err := os.MkdirAll(c.path(sub), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// startComponents starts the API server, then what needs it, and waits until all of it works.
func (c *cluster) startComponents(ctx context.Context, d description) error {
	flags, err := c.apiServerFlags(d)
	if err != nil {
		return err
	}
	if err := c.spawn("kube-apiserver", flags...); err != nil {
		return err
	}
	api, err := newAPIClient(d.Kubeconfig)
	if err != nil {
		return err
	}
	if err := waitServing(ctx, api); err != nil {
		return err
	}
	// Between serving and being ready the API server mostly waits for itself, about a second, so this time is used.
	if err := c.spawn("nodes", c.nodesFlags(d)...); err != nil {
		return err
	}
	if err := c.spawn("kube-scheduler", c.schedulerFlags()...); err != nil {
		return err
	}
	// The controller manager asks once a second whether the API server is healthy: it comes when the answer is yes.
	if err := waitReadyz(ctx, api); err != nil {
		return err
	}
	if err := c.spawn("kube-controller-manager", c.controllerManagerFlags(d)...); err != nil {
		return err
	}
	return waitUsable(ctx, api, c.nodes)
}

func (c *cluster) spawn(name string, args ...string) error {
	ch, err := spawn(c.path("logs", name+".log"), name, args...)
	if err != nil {
		return err
	}
	c.children = append(c.children, ch)
	go func() {
		<-ch.done
		c.end(ch.failure()) // no effect when the cluster is ending already
	}()
	return nil
}

// announce keeps the description in cluster.json (complete or absent, never half) and prints it as one line.
func (c *cluster) announce(d description) error {
	line, err := json.Marshal(d)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	temp := c.path("cluster.json.new")
	if err := os.WriteFile(temp, line, 0o600); err != nil {
		return err
	}
	if err := os.Rename(temp, c.path("cluster.json")); err != nil {
		return err
	}
	_, err = os.Stdout.Write(line)
	return err
}

// stop ends all children, then etcd. It returns within about two seconds whatever they do.
func (c *cluster) stop() {
	for _, ch := range c.children {
		ch.terminate()
	}
	kill := time.AfterFunc(stopTimeout, func() {
		for _, ch := range c.children {
			ch.kill()
		}
	})
	defer kill.Stop()
	for _, ch := range c.children {
		<-ch.done
	}
	stopEtcd(c.etcd)
	var errs []error
	for _, release := range c.held {
		errs = append(errs, release())
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "while stopping:", err)
	}
}
