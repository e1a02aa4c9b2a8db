package nodes

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Request is one request that reached a pod. It names the headers but never keeps their values, which can be secret.
type Request struct {
	Time      time.Time `json:"time"`
	Namespace string    `json:"namespace"`
	Pod       string    `json:"pod"`
	Container string    `json:"container"`
	Image     string    `json:"image"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Host      string    `json:"host"`
	UserAgent string    `json:"userAgent"`
	Headers   []string  `json:"headers"`
	Status    int       `json:"status"` // the answer given
}

// keptRequests bounds the log over all pods.
const keptRequests = 100000

// RequestLog keeps the latest requests.
type RequestLog struct {
	mu   sync.Mutex
	ring []Request
	next int
}

func (l *RequestLog) Add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < keptRequests {
		l.ring = append(l.ring, r)
		return
	}
	l.ring[l.next] = r
	l.next = (l.next + 1) % keptRequests
}

// Select lists the requests that match, oldest first.
func (l *RequestLog) Select(match func(Request) bool) []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	var selected []Request
	for i := range l.ring {
		if r := l.ring[(l.next+i)%len(l.ring)]; match(r) {
			selected = append(selected, r)
		}
	}
	return selected
}

// Since tells from when on nothing is missing; zero: from the beginning.
func (l *RequestLog) Since() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < keptRequests {
		return time.Time{}
	}
	return l.ring[l.next].Time
}

// ServeHTTP writes JSON lines. The query narrows them: namespace, pod, image, path, and since (RFC 3339). The header
// Complete-Since tells from when on no request is missing, if some of the oldest are.
func (l *RequestLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var since time.Time
	if text := q.Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			http.Error(w, "since: write a time such as 2026-01-02T15:04:05Z", http.StatusBadRequest)
			return
		}
	}
	is := func(key, value string) bool { return !q.Has(key) || q.Get(key) == value }
	w.Header().Set("Content-Type", "application/x-ndjson")
	if since := l.Since(); !since.IsZero() {
		w.Header().Set("Complete-Since", since.UTC().Format(time.RFC3339Nano))
	}
	lines := json.NewEncoder(w)
	for _, one := range l.Select(func(r Request) bool {
		return is("namespace", r.Namespace) && is("pod", r.Pod) && is("image", r.Image) && is("path", r.Path) && !r.Time.Before(since)
	}) {
		if err := lines.Encode(one); err != nil {
			return
		}
	}
}

// nodeAPI is what every node answers on its own address: /requests, /catalogue and /healthz.
func nodeAPI(log *RequestLog, store *Store) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /requests", log)
	mux.HandleFunc("GET /catalogue", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(store.Report())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return mux
}
