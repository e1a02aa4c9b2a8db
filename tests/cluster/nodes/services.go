package nodes

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Proxy stands in for kube-proxy: it listens on the cluster IPs and forwards to ready pods. A port without a ready
// pod is closed, so that a client is refused as it is on a real node.
type Proxy struct {
	services netip.Prefix

	mu   sync.Mutex
	open map[string]map[string]*forwarder // by service, then address
}

// forwarder is one open port of a service.
type forwarder struct {
	listener net.Listener
	backends atomic.Pointer[[]string]
}

func NewProxy(services netip.Prefix) *Proxy {
	return &Proxy{services: services, open: map[string]map[string]*forwarder{}}
}

// Sync makes the open ports of a service (nil: it is gone) follow the pods of its namespace.
func (p *Proxy) Sync(key string, service *v1.Service, pods []*v1.Pod) {
	wanted := map[string][]string{}
	if service != nil && p.serves(service) {
		for _, port := range service.Spec.Ports {
			if port.Protocol != "" && port.Protocol != v1.ProtocolTCP {
				continue
			}
			if backends := backendsOf(service, port, pods); len(backends) > 0 {
				wanted[net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(port.Port)))] = backends
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, f := range p.open[key] {
		if wanted[address] == nil {
			_ = f.listener.Close()
			delete(p.open[key], address)
		}
	}
	for address, backends := range wanted {
		f := p.open[key][address]
		if f == nil {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				slog.Error("a cluster IP cannot be served (ports below 1024 need root)", "service", key, "error", err)
				continue
			}
			f = &forwarder{listener: listener}
			if p.open[key] == nil {
				p.open[key] = map[string]*forwarder{}
			}
			p.open[key][address] = f
			f.backends.Store(&backends)
			go f.serve()
		}
		f.backends.Store(&backends)
	}
	if len(p.open[key]) == 0 {
		delete(p.open, key)
	}
}

func (p *Proxy) serves(s *v1.Service) bool {
	ip, err := netip.ParseAddr(s.Spec.ClusterIP)
	return err == nil && p.services.Contains(ip) && len(s.Spec.Selector) > 0 && s.Spec.Type != v1.ServiceTypeExternalName
}

func (f *forwarder) serve() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		backends := *f.backends.Load()
		go forward(client, backends[rand.IntN(len(backends))])
	}
}

// forward copies both ways until either side ends. A pod that refuses makes the client's connection reset.
func forward(client net.Conn, backend string) {
	server, err := net.DialTimeout("tcp", backend, 5*time.Second)
	if err != nil {
		if c, ok := client.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		_ = client.Close()
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		if s, ok := server.(*net.TCPConn); ok {
			_ = s.CloseWrite()
		}
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
	_ = server.Close()
}

// backendsOf lists the addresses of the pods that may get traffic for a port of a service.
func backendsOf(s *v1.Service, port v1.ServicePort, pods []*v1.Pod) (backends []string) {
	for _, pod := range pods {
		if !selects(s.Spec.Selector, pod.Labels) || pod.Status.PodIP == "" || forgedIP(pod) != "" {
			continue
		}
		if !s.Spec.PublishNotReadyAddresses && (pod.DeletionTimestamp != nil || !isReady(pod)) {
			continue
		}
		target := port.TargetPort
		if target == (intstr.IntOrString{}) {
			target = intstr.FromInt32(port.Port)
		}
		if n := portNumber(pod, target); n != 0 {
			backends = append(backends, fmt.Sprintf("%s:%d", pod.Status.PodIP, n))
		}
	}
	slices.Sort(backends)
	return backends
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

func isReady(pod *v1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c v1.PodCondition) bool {
		return c.Type == v1.PodReady && c.Status == v1.ConditionTrue
	})
}

// portNumber finds a port by number or by name; 0: the pod has no such port.
func portNumber(pod *v1.Pod, port intstr.IntOrString) int32 {
	if port.Type == intstr.Int {
		return port.IntVal
	}
	for _, c := range containersOf(pod) {
		for _, declared := range c.Ports {
			if declared.Name == port.StrVal {
				return declared.ContainerPort
			}
		}
	}
	return 0
}
