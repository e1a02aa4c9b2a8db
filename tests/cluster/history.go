package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
)

// stored is one version of one object, as the API server stored it.
type stored struct {
	Revision int64           `json:"revision"` // the resourceVersion of the object; the same order for all objects
	Key      string          `json:"key"`      // below /registry/
	Event    string          `json:"event"`    // put or delete
	Value    json.RawMessage `json:"value,omitempty"`
}

// historyTimeout bounds one answer; reading a whole test suite's history takes about a second.
const historyTimeout = 30 * time.Second

// serveHistory answers GET /history with all versions of all objects of the namespaces that the query names, as lines
// of JSON in the order in which they were stored, up to the moment of the request. It reads etcd and nothing else:
// the API server's caches, and what it shows to whom, have no part in it. It returns the address.
func (c *cluster) serveHistory(e *embed.Etcd) (string, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serving the history: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /history", historyOf(v3client.New(e.Server)))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	c.held = append(c.held, server.Close)
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String() + "/history", nil
}

// historyOf takes the parameters namespace (several) and from (the first revision; default 1).
func historyOf(etcd *clientv3.Client) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), historyTimeout)
		defer cancel()
		namespaces := r.URL.Query()["namespace"]
		from := int64(1)
		if text := r.URL.Query().Get("from"); text != "" {
			var err error
			if from, err = strconv.ParseInt(text, 10, 64); err != nil || from < 1 {
				http.Error(w, "from: write a revision such as 1", http.StatusBadRequest)
				return
			}
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		err := replay(ctx, etcd, from, func(v stored) error {
			if !isIn(v.Key, namespaces) {
				return nil
			}
			return lines.Encode(v)
		})
		if err != nil {
			// The status is sent already; a connection that breaks off cannot be taken for a whole history.
			panic(http.ErrAbortHandler)
		}
	}
}

// replay tells every version from a revision on until the latest one of now.
func replay(ctx context.Context, etcd *clientv3.Client, from int64, tell func(stored) error) error {
	const prefix = "/registry/"
	now, err := etcd.Get(ctx, prefix, clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	last := now.Header.Revision
	if from > last {
		return nil
	}
	// All keys there are, because each revision changes one of them: so the last one is sure to come.
	watch := etcd.Watch(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(from))
	for answer := range watch {
		if err := answer.Err(); err != nil {
			return err
		}
		for _, e := range answer.Events {
			if e.Kv.ModRevision > last {
				return nil
			}
			key, registered := strings.CutPrefix(string(e.Kv.Key), prefix)
			if registered {
				v := stored{Revision: e.Kv.ModRevision, Key: key, Event: "put", Value: e.Kv.Value}
				if e.Type == clientv3.EventTypeDelete {
					v.Event, v.Value = "delete", nil
				}
				if err := tell(v); err != nil {
					return err
				}
			}
		}
		if n := len(answer.Events); n > 0 && answer.Events[n-1].Kv.ModRevision >= last {
			return nil
		}
	}
	return context.Cause(ctx)
}

// isIn tells whether a key such as deployments/NAMESPACE/NAME lies in one of the namespaces.
func isIn(key string, namespaces []string) bool {
	parts := strings.Split(key, "/")
	return len(parts) > 2 && slices.Contains(namespaces, parts[len(parts)-2])
}
