package main

import (
	"strings"
	"testing"
)

func TestParseUp(t *testing.T) {
	for args, want := range map[string]string{
		"":                          "exactly one argument",
		"a b":                       "exactly one argument",
		"a --nodes=0":               "--nodes=0: want 1 to 100",
		"a --nodes=101":             "--nodes=101: want 1 to 100",
		"a --time-scale=0":          "--time-scale=0: want a number above 0",
		"a --users=admin":           `--users: "admin"`,
		"a --users=eve,ann,eve":     `--users: "eve" is malformed, taken or named twice`,
		`a --users=eve"x`:           "--users",
		"a --unknown":               "unknown flag: --unknown",
		"a --users=simulated-nodes": `--users: "simulated-nodes"`,
	} {
		if _, err := parseUp(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("up %s: got %v, want an error with %q", args, err, want)
		}
	}
	o, err := parseUp(strings.Fields("rel --nodes 5 --time-scale=0.1 --users eve,ann --parent-stdin"))
	if err != nil {
		t.Fatal(err)
	}
	if o.nodes != 5 || o.timeScale != 0.1 || len(o.users) != 2 || !o.parentStdin || !strings.HasPrefix(o.dir, "/") {
		t.Errorf("flags are not what was asked for: %+v", o)
	}
}
