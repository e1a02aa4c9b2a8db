package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/pflag"
)

// upOptions is what `up` was asked for.
type upOptions struct {
	dir           string   // absolute; everything the cluster writes is below it
	nodes         int      // simulated nodes
	timeScale     float64  // factor on the simulated kubelet's own times; 1 is real time
	users         []string // names of unprivileged users, each with a token of its own
	parentStdin   bool     // end when stdin ends
	outliveParent bool     // do not end when the parent process does
}

var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@:-]*$`)

func parseUp(args []string) (upOptions, error) {
	var o upOptions
	f := pflag.NewFlagSet("up", pflag.ContinueOnError)
	f.IntVar(&o.nodes, "nodes", 3, "simulated nodes")
	f.Float64Var(&o.timeScale, "time-scale", 1, "factor on the kubelet's times: 0.1 makes back-offs ten times shorter")
	f.StringSliceVar(&o.users, "users", nil, "names of users with a token each and no rights, in no group but system:authenticated")
	f.BoolVar(&o.parentStdin, "parent-stdin", false, "end when stdin reaches its end")
	f.BoolVar(&o.outliveParent, "outlive-parent", false, "keep running when the parent process ends")
	f.Usage = func() {
		fmt.Fprintf(os.Stderr, "usage: up DIR [flags]\n%s", f.FlagUsages())
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() != 1 {
		return o, errors.New("up: want exactly one argument, the directory of the cluster")
	}
	if o.nodes < 1 || o.nodes > 100 {
		return o, fmt.Errorf("--nodes=%d: want 1 to 100", o.nodes)
	}
	if o.timeScale <= 0 || o.timeScale > 10 {
		return o, fmt.Errorf("--time-scale=%g: want a number above 0 and at most 10", o.timeScale)
	}
	for i, u := range o.users {
		if !userName.MatchString(u) || slices.Contains(builtinUsers(), u) || slices.Contains(o.users[:i], u) {
			return o, fmt.Errorf("--users: %q is malformed, taken or named twice", u)
		}
	}
	var err error
	o.dir, err = filepath.Abs(f.Arg(0))
	return o, err
}
