package nodes

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditionsOf makes the conditions that the kubelet owns; PodScheduled stays the scheduler's.
func conditionsOf(pod *v1.Pod, s v1.PodStatus, sandbox bool, before []v1.PodCondition, now time.Time) []v1.PodCondition {
	over := s.Phase == v1.PodSucceeded
	initialized := v1.PodCondition{Type: v1.PodInitialized, Status: v1.ConditionTrue}
	if names := unready(s.InitContainerStatuses, func(c v1.ContainerStatus, i int) bool {
		if isSidecar(&pod.Spec.InitContainers[i]) {
			return c.State.Running != nil || c.LastTerminationState.Terminated != nil
		}
		return c.Ready
	}); len(names) > 0 && !over {
		initialized = falseCondition(v1.PodInitialized, "ContainersNotInitialized", "containers with incomplete status: %v", names)
	}
	containers := v1.PodCondition{Type: v1.ContainersReady, Status: v1.ConditionTrue}
	names := unready(s.ContainerStatuses, func(c v1.ContainerStatus, _ int) bool { return c.Ready })
	switch {
	case over:
		containers = v1.PodCondition{Type: v1.ContainersReady, Status: v1.ConditionFalse, Reason: "PodCompleted"}
		initialized.Reason = "PodCompleted"
	case len(names) > 0:
		containers = falseCondition(v1.ContainersReady, "ContainersNotReady", "containers with unready status: %v", names)
	}
	ready := containers
	ready.Type = v1.PodReady
	if gates := openGates(pod); ready.Status == v1.ConditionTrue && len(gates) > 0 {
		ready = falseCondition(v1.PodReady, "ReadinessGatesNotReady", "corresponding condition of pod readiness gate %v does not exist or is not True", gates)
	}
	network := v1.PodCondition{Type: v1.PodReadyToStartContainers, Status: v1.ConditionFalse}
	if sandbox && !over && s.Phase != v1.PodFailed {
		network.Status = v1.ConditionTrue
	}
	conditions := []v1.PodCondition{network, initialized, ready, containers}
	for i := range conditions {
		c := &conditions[i]
		c.ObservedGeneration = pod.Generation
		c.LastTransitionTime = metav1.NewTime(now)
		for _, old := range before {
			if old.Type == c.Type && old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
		}
	}
	return conditions
}

func falseCondition(t v1.PodConditionType, reason, format string, names []string) v1.PodCondition {
	return v1.PodCondition{Type: t, Status: v1.ConditionFalse, Reason: reason, Message: fmt.Sprintf(format, names)}
}

func unready(list []v1.ContainerStatus, ok func(v1.ContainerStatus, int) bool) (names []string) {
	for i, c := range list {
		if !ok(c, i) {
			names = append(names, c.Name)
		}
	}
	return names
}

func openGates(pod *v1.Pod) (open []string) {
	for _, gate := range pod.Spec.ReadinessGates {
		met := false
		for _, c := range pod.Status.Conditions {
			met = met || (c.Type == gate.ConditionType && c.Status == v1.ConditionTrue)
		}
		if !met {
			open = append(open, string(gate.ConditionType))
		}
	}
	return open
}
