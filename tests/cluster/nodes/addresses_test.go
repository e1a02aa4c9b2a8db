package nodes

import (
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	prefix, err := loopbackRange("pod-cidr", "127.20.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	a := NewAddresses(prefix)
	take := func(wanted string) string {
		ip, err := a.Take(wanted)
		if err != nil {
			t.Fatal(err)
		}
		return ip
	}
	if first := take(""); first != "127.20.0.1" || a.Node(2) != "127.20.255.2" {
		t.Errorf("first %s, node %s", first, a.Node(2))
	}
	a.Release("127.20.0.1")
	if next := take(""); next != "127.20.0.2" {
		t.Errorf("an address came back at once: %s", next)
	}
	if kept := take("127.20.3.4"); kept != "127.20.3.4" || take("127.20.3.4") == "127.20.3.4" || take("10.0.0.1") == "10.0.0.1" {
		t.Errorf("a wanted address: %s", kept)
	}
	given := 0
	for ip, err := a.Take(""); err == nil; ip, err = a.Take("") {
		if given++; strings.HasPrefix(ip, "127.20.255.") || ip == "127.20.0.0" {
			t.Fatalf("a pod was given %s", ip)
		}
	}
	if given < 65000 {
		t.Errorf("only %d addresses", given)
	}
	for _, bad := range []string{"", "10.0.0.0/16", "127.20.0.0/24", "127.20.1.0/16"} {
		if _, err := loopbackRange("pod-cidr", bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
