package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Users of the cluster itself. All are in system:masters; each has a name of its own so that the audit log tells
// them apart.
const (
	adminUser      = "admin"
	controllerUser = "system:kube-controller-manager"
	schedulerUser  = "system:kube-scheduler"
	nodesUser      = "simulated-nodes"
)

func builtinUsers() []string {
	return []string{adminUser, controllerUser, schedulerUser, nodesUser}
}

// writeAccess writes everything that decides who may talk to the API server: certificates, the token file, one
// kubeconfig for people (with a context for each of them) and one for each component.
func (c *cluster) writeAccess(d *description) error {
	if err := c.writePKI(); err != nil {
		return err
	}
	tokens := map[string]string{}
	var file strings.Builder
	for _, name := range builtinUsers() {
		tokens[name] = rand.Text()
		fmt.Fprintf(&file, "%s,%s,%s,system:masters\n", tokens[name], name, name)
	}
	d.Users = map[string]string{}
	for _, name := range c.users {
		tokens[name] = rand.Text()
		d.Users[name] = tokens[name]
		fmt.Fprintf(&file, "%s,%s,%s\n", tokens[name], name, name)
	}
	d.Token = tokens[adminUser]
	if err := os.WriteFile(c.path("private", "tokens.csv"), []byte(file.String()), 0o600); err != nil {
		return err
	}
	if err := writeKubeconfig(*d, d.Kubeconfig, tokens, append([]string{adminUser}, c.users...)...); err != nil {
		return err
	}
	for _, name := range []string{controllerUser, schedulerUser, nodesUser} {
		if err := writeKubeconfig(*d, c.kubeconfigOf(name), tokens, name); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfigOf is the path of the kubeconfig of one of the cluster's own users.
func (c *cluster) kubeconfigOf(user string) string {
	return c.path("private", strings.TrimPrefix(user, "system:")+".kubeconfig")
}

// writeKubeconfig gives each user a context of the same name; the first one is current.
func writeKubeconfig(d description, path string, tokens map[string]string, users ...string) error {
	config := api.NewConfig()
	config.Clusters["cluster"] = &api.Cluster{Server: d.Server, CertificateAuthority: d.CA}
	for _, user := range users {
		config.AuthInfos[user] = &api.AuthInfo{Token: tokens[user]}
		config.Contexts[user] = &api.Context{Cluster: "cluster", AuthInfo: user}
	}
	config.CurrentContext = users[0]
	return clientcmd.WriteToFile(*config, path)
}
