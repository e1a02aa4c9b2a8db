package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func newAPIClient(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // no limit: polling is paced by poll
	config.Timeout = 5 * time.Second
	return kubernetes.NewForConfig(config)
}

// waitServing returns when the API server answers privileged requests, which it does before it calls itself ready.
func waitServing(ctx context.Context, api *kubernetes.Clientset) error {
	return poll(ctx, "kube-apiserver does not serve", func() error {
		return api.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error()
	})
}

// waitReadyz returns when the API server calls itself ready.
func waitReadyz(ctx context.Context, api *kubernetes.Clientset) error {
	return poll(ctx, "kube-apiserver is not ready", func() error {
		return api.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// waitUsable returns when a pod can be created in the namespace default and would be scheduled.
func waitUsable(ctx context.Context, api *kubernetes.Clientset, nodes int) error {
	err := poll(ctx, "no default ServiceAccount", func() error {
		_, err := api.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	return poll(ctx, "nodes are not ready", func() error {
		list, err := api.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		ready := 0
		for _, node := range list.Items {
			if isReady(node) {
				ready++
			}
		}
		if ready < nodes {
			return fmt.Errorf("%d of %d", ready, nodes)
		}
		return nil
	})
}

func isReady(node corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0
		}
	}
	return false
}

// poll asks until the answer is nil. When ctx ends first, the error tells what was missing and why ctx ended.
func poll(ctx context.Context, missing string, ask func() error) error {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%s: %v)", context.Cause(ctx), missing, err)
		case <-tick.C:
		}
	}
}
