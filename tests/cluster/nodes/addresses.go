package nodes

import (
	"fmt"
	"net/netip"
	"sync"
)

// Addresses gives each pod a loopback address of its own. A released address comes back only after all others were
// used, so that a late request never reaches another pod.
type Addresses struct {
	prefix netip.Prefix

	mu   sync.Mutex
	last netip.Addr
	used map[netip.Addr]bool
}

// loopbackRange reads a range such as 127.20.0.0/16.
func loopbackRange(flag, text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() || p.Bits() != 16 || !p.Addr().IsLoopback() || p != p.Masked() {
		return p, fmt.Errorf("--%s: %q is not a loopback range such as 127.20.0.0/16", flag, text)
	}
	return p, nil
}

// NewAddresses keeps 127.M.0.0 and 127.M.255.x for itself: the latter are the nodes'.
func NewAddresses(prefix netip.Prefix) *Addresses {
	return &Addresses{prefix: prefix, last: prefix.Addr(), used: map[netip.Addr]bool{}}
}

// Node is the address of the n-th node, from 1.
func (a *Addresses) Node(n int) string {
	b := a.prefix.Addr().As4()
	return netip.AddrFrom4([4]byte{b[0], b[1], 255, byte(n)}).String()
}

// Take hands out an address: the wanted one if it is free and for pods, else the next.
func (a *Addresses) Take(wanted string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ip, err := netip.ParseAddr(wanted); err == nil && a.forPods(ip) && !a.used[ip] {
		a.used[ip] = true
		return wanted, nil
	}
	for range 1 << 16 {
		a.last = a.last.Next()
		if !a.prefix.Contains(a.last) {
			a.last = a.prefix.Addr().Next()
		}
		if a.forPods(a.last) && !a.used[a.last] {
			a.used[a.last] = true
			return a.last.String(), nil
		}
	}
	return "", fmt.Errorf("no free address in %s", a.prefix)
}

func (a *Addresses) Release(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ip, err := netip.ParseAddr(address); err == nil {
		delete(a.used, ip)
	}
}

func (a *Addresses) forPods(ip netip.Addr) bool {
	return a.prefix.Contains(ip) && ip != a.prefix.Addr() && ip.As4()[2] != 255
}
