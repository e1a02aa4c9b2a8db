package nodes

import (
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
)

// podServer listens in the place of one pod's containers: a container that is up has its declared ports open, one
// that is down has none.
type podServer struct {
	namespace, name, address string
	catalogue                func() *Catalogue
	log                      *RequestLog
	counts                   counts

	mu         sync.Mutex
	containers map[string]*listening
}

// listening is one running container.
type listening struct {
	image     string
	startedAt time.Time
	server    *http.Server
	sockets   []net.Listener
	answered  answered
}

// close ends the container's sockets and connections before it returns. The server alone would not: it does not know
// of a socket whose goroutine has yet to run.
func (l *listening) close() {
	for _, socket := range l.sockets {
		_ = socket.Close()
	}
	_ = l.server.Close()
}

// sync opens and closes sockets until they are those of the containers that are alive.
func (p *podServer) sync(pod *v1.Pod, memory Memory) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.containers == nil {
		p.containers = map[string]*listening{}
	}
	for name, open := range p.containers {
		if c := memory.containers[name]; !c.alive || !c.startedAt.Equal(open.startedAt) {
			open.close()
			delete(p.containers, name)
		}
	}
	for spec, ports := range declaredPorts(pod) {
		if c := memory.containers[spec.Name]; c.alive && p.containers[spec.Name] == nil {
			p.containers[spec.Name] = p.listen(spec, ports, c.startedAt)
		}
	}
}

func (p *podServer) close() { p.sync(&v1.Pod{}, Memory{}) }

func (p *podServer) listen(spec *v1.Container, ports []int32, startedAt time.Time) *listening {
	l := &listening{image: spec.Image, startedAt: startedAt}
	l.server = &http.Server{
		Handler:           p.handler(spec.Name, l),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	for _, port := range ports {
		if p.address == "" {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(p.address, strconv.Itoa(int(port))))
		if err != nil {
			slog.Error("a pod's port cannot be opened, requests to it are refused", "namespace", p.namespace, "pod", p.name, "error", err)
			continue
		}
		l.sockets = append(l.sockets, listener)
		go func() { _ = l.server.Serve(listener) }()
	}
	return l
}

func (p *podServer) handler(container string, l *listening) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		port := int32(0)
		if address, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
			port = int32(address.Port)
		}
		answer := p.catalogue().Lookup(p.namespace, l.image).answerFor(port, r.URL.Path)
		if answer.Path == "" && r.URL.Path == metricsPath {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = io.WriteString(w, l.answered.exposition())
			return
		}
		reply := replyTo(answer, &p.counts, l.startedAt, now)
		l.answered.add(reply.status)
		p.log.Add(Request{
			Time: now, Namespace: p.namespace, Pod: p.name, Container: container, Image: l.image, Method: r.Method,
			Path: r.URL.RequestURI(), Host: r.Host, UserAgent: r.UserAgent(),
			Headers: slices.Sorted(maps.Keys(r.Header)), Status: reply.status,
		})
		if reply.delay > 0 {
			select {
			case <-time.After(reply.delay):
			case <-r.Context().Done():
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Image", l.image)
		w.Header().Set("X-Pod", p.name)
		for name, value := range reply.headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(reply.status)
		_, _ = io.WriteString(w, fill(reply.body, l.image, p.name))
	})
}

// probe answers a readiness probe as the container's socket would, without a request: probes do not appear in the
// request log, but they do count for failFirst, as they would on a real node.
func (p *podServer) probe(pod *v1.Pod, spec *v1.Container, startedAt, now time.Time) ProbeResult {
	probe := spec.ReadinessProbe
	port, path := int32(0), ""
	switch {
	case probe.HTTPGet != nil:
		port, path = portNumber(pod, probe.HTTPGet.Port), probe.HTTPGet.Path
	case probe.TCPSocket != nil:
		port = portNumber(pod, probe.TCPSocket.Port)
	}
	if !slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(declaredPorts(pod)))...), func(n int32) bool { return n == port }) {
		return ProbeResult{}
	}
	if probe.HTTPGet == nil {
		return ProbeResult{OK: true}
	}
	if path == "" {
		path = "/"
	}
	reply := replyTo(p.catalogue().Lookup(p.namespace, spec.Image).answerFor(port, path), &p.counts, startedAt, now)
	ok := reply.status >= 200 && reply.status < 400 && reply.delay < seconds(max(probe.TimeoutSeconds, 1))
	return ProbeResult{OK: ok, Again: reply.again, ChangesAt: reply.changesAt}
}

// declaredPorts says which container serves which ports; a pod that declares none has 8080 on its first container.
func declaredPorts(pod *v1.Pod) map[*v1.Container][]int32 {
	declared := map[*v1.Container][]int32{}
	none := true
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			declared[&list[i]] = nil
			for _, port := range list[i].Ports {
				if port.Protocol == "" || port.Protocol == v1.ProtocolTCP {
					declared[&list[i]] = append(declared[&list[i]], port.ContainerPort)
					none = false
				}
			}
		}
	}
	if none && len(pod.Spec.Containers) > 0 {
		declared[&pod.Spec.Containers[0]] = []int32{8080}
	}
	return declared
}
