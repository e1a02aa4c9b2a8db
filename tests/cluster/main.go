// Package main is a whole Kubernetes control plane for tests, in one binary.
//
// The first argument chooses what the process is (its "personality"): `up` starts a cluster by executing this
// same binary again for every component, because the components cannot share one process (each wants to set up
// logging and flags for itself alone). kubectl and helm's template engine are personalities too, so that nobody
// needs them installed.
//
// It never talks to anything but the loopback interface, and never writes outside of the directory it is given.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"tidegate.dev/cluster/nodes"
)

// personalities maps the first argument to what runs; each gets the remaining arguments and returns the exit code.
var personalities = map[string]func(args []string) int{
	"up":                      func(args []string) int { return runUp(args) },
	"nodes":                   nodes.Main,
	"kubectl":                 runKubectl,
	"helm":                    runHelm,
	"kube-apiserver":          func([]string) int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func([]string) int { return cli.Run(kcm.NewControllerManagerCommand()) },
	"kube-scheduler":          func([]string) int { return cli.Run(scheduler.NewSchedulerCommand()) },
}

func main() {
	os.Exit(dispatch(os.Args[1:]))
}

// dispatch runs the personality that args[0] names. The upstream commands read os.Args themselves, so it is
// rewritten to look as if they had been called by their own name.
func dispatch(args []string) int {
	if len(args) == 0 || personalities[args[0]] == nil {
		names := slices.Sorted(maps.Keys(personalities))
		fmt.Fprintf(os.Stderr, "usage: %s PERSONALITY ...\npersonalities: %s\n", os.Args[0], strings.Join(names, ", "))
		return 2
	}
	os.Args = args
	return personalities[args[0]](args[1:])
}
