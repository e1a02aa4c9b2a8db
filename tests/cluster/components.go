package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// controllers are those that workloads, tenants and their cleaning up need; every other one costs start time and CPU.
// Not among them: the endpoint controllers, because the API server refuses loopback addresses in EndpointSlices (the
// simulated nodes stand in for kube-proxy by reading pods), and the node lifecycle controller, because simulated nodes
// do not get lost. Without it nodes need no heartbeat, and the admission plugin whose taint it would remove is off.
var controllers = []string{
	"clusterrole-aggregation-controller",
	"cronjob-controller",
	"daemonset-controller",
	"deployment-controller",
	"garbage-collector-controller",
	"job-controller",
	"namespace-controller",
	"pod-garbage-collector-controller",
	"replicaset-controller",
	"resourcequota-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"statefulset-controller",
	"validatingadmissionpolicy-status-controller",
}

func (c *cluster) apiServerFlags(d description) ([]string, error) {
	policy := c.path("private", "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	server, err := url.Parse(d.Server)
	if err != nil {
		return nil, err
	}
	return []string{
		"--etcd-servers=" + d.Etcd,
		"--storage-media-type=application/json", // so that tests can read etcd itself
		"--etcd-compaction-interval=0",          // and the whole history in it
		"--bind-address=127.0.0.1",
		"--secure-port=" + server.Port(),
		"--permit-port-sharing=true", // the port is reserved, see reserve
		// Logs are read from the simulated nodes, whose names nobody resolves and whose certificates nobody signed.
		"--kubelet-preferred-address-types=InternalIP",
		// Only published, never dialled: endpoints of the Service "kubernetes" may not be loopback addresses.
		"--advertise-address=192.0.2.1",
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + c.path("private"),
		"--tls-cert-file=" + c.path("private", "server.crt"),
		"--tls-private-key-file=" + c.path("private", "server.key"),
		"--token-auth-file=" + c.path("private", "tokens.csv"),
		"--anonymous-auth=false",
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("private", "sa.pub"),
		"--service-account-signing-key-file=" + c.path("private", "sa.key"),
		"--service-cluster-ip-range=" + d.ServiceCIDR,
		"--disable-admission-plugins=TaintNodesByCondition", // see controllers
		"--audit-policy-file=" + policy,
		"--audit-log-path=" + d.AuditLog,
		"--audit-log-mode=blocking", // written with the request, not some time later
		"--audit-log-maxsize=0",     // one file, never rotated
		// Fair queueing between tenants means nothing in a test, and costs time on each request and writes of its own.
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=2000",
		"--max-mutating-requests-inflight=1000",
		"--profiling=false",
	}, nil
}

func (c *cluster) controllerManagerFlags(d description) []string {
	return []string{
		"--kubeconfig=" + c.kubeconfigOf(controllerUser),
		"--controllers=" + strings.Join(controllers, ","),
		"--leader-elect=false",
		"--secure-port=0",
		"--profiling=false",
		"--service-account-private-key-file=" + c.path("private", "sa.key"),
		"--root-ca-file=" + d.CA,
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--concurrent-deployment-syncs=10",
		"--concurrent-replicaset-syncs=10",
		"--concurrent-gc-syncs=5",
		"--concurrent-namespace-syncs=5",
		"--resource-quota-sync-period=5s", // a changed quota counts soon
	}
}

func (c *cluster) schedulerFlags() []string {
	return []string{
		"--kubeconfig=" + c.kubeconfigOf(schedulerUser),
		"--leader-elect=false",
		"--secure-port=0",
		"--profiling=false",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}

func (c *cluster) nodesFlags(d description) []string {
	return []string{
		"--kubeconfig=" + c.kubeconfigOf(nodesUser),
		fmt.Sprintf("--count=%d", c.nodes),
		"--time-scale=" + strconv.FormatFloat(c.timeScale, 'g', -1, 64),
		"--pod-cidr=" + d.PodCIDR,
		"--service-cidr=" + d.ServiceCIDR,
	}
}
