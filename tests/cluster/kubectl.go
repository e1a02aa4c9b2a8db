package main

import (
	"os"
	"path/filepath"
	"strings"

	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
)

// runKubectl is kubectl as it is, except that it leaves the home directory alone: preferences there are not read,
// and its cache lies beside the kubeconfig and so goes with the cluster.
func runKubectl(args []string) int {
	defaultEnv("KUBERC", "off")
	if path := kubeconfigArg(args); path != "" {
		defaultEnv("KUBECACHEDIR", filepath.Join(filepath.Dir(path), "kubectl-cache"))
	}
	return cli.Run(kubectl.NewDefaultKubectlCommand())
}

// kubeconfigArg finds the kubeconfig named by the arguments or by the environment.
func kubeconfigArg(args []string) string {
	for i, arg := range args {
		if path, ok := strings.CutPrefix(arg, "--kubeconfig="); ok {
			return path
		}
		if arg == "--kubeconfig" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return os.Getenv("KUBECONFIG")
}

func defaultEnv(name, value string) {
	if os.Getenv(name) == "" {
		_ = os.Setenv(name, value) // fails for malformed names only
	}
}
