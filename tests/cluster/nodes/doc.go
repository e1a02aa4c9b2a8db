// Package nodes stands in for the machines of a cluster: it registers nodes that have no kernel, carries the pods
// bound to them through the states that a real kubelet with containerd publishes, serves their HTTP on loopback
// addresses, and forwards cluster IPs to ready pods in the place of kube-proxy.
//
// What an image does is told by a catalogue that tests change at run time (README.md). The API server, the
// controllers, the scheduler and the storage are real; nothing in here pretends to be one of them, and nothing in
// here runs a container or leaves the loopback interface.
package nodes
