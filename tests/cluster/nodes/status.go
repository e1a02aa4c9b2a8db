package nodes

import (
	"encoding/json"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// statusOf writes down what the kubelet remembers, as a whole pod status.
func statusOf(pod *v1.Pod, m Memory, w World, finished bool) v1.PodStatus {
	start := metav1.NewTime(m.startedAt)
	s := v1.PodStatus{
		ObservedGeneration: pod.Generation,
		HostIP:             w.HostIP,
		HostIPs:            []v1.HostIP{{IP: w.HostIP}},
		StartTime:          &start,
	}
	sandbox := !w.Now.Before(m.startedAt.Add(w.Tempo.of(attemptLag)))
	if w.PodIP != "" && sandbox {
		s.PodIP, s.PodIPs = w.PodIP, []v1.PodIP{{IP: w.PodIP}}
	}
	for i := range pod.Spec.InitContainers {
		spec := &pod.Spec.InitContainers[i]
		s.InitContainerStatuses = append(s.InitContainerStatuses, containerStatus(pod, spec, m, true, finished))
	}
	for i := range pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, containerStatus(pod, &pod.Spec.Containers[i], m, false, finished))
	}
	s.Phase = phaseOf(pod, s, finished)
	s.Conditions = conditionsOf(pod, s, sandbox && !finished, m.conditions, w.Now)
	return s
}

// statusPatch is the strategic merge patch that publishes a status. Conditions merge by type, so those of others
// (PodScheduled) stay; a reason or message that no longer applies has to be taken away by name.
func statusPatch(uid types.UID, status v1.PodStatus) ([]byte, error) {
	type mergedCondition struct {
		v1.PodCondition
		Reason  *string `json:"reason"`
		Message *string `json:"message"`
	}
	type mergedStatus struct {
		v1.PodStatus
		Conditions []mergedCondition `json:"conditions"`
	}
	merged := mergedStatus{PodStatus: status}
	for _, c := range status.Conditions {
		m := mergedCondition{PodCondition: c}
		if c.Reason != "" {
			m.Reason = &c.Reason
		}
		if c.Message != "" {
			m.Message = &c.Message
		}
		merged.Conditions = append(merged.Conditions, m)
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": merged})
}

func containerStatus(pod *v1.Pod, spec *v1.Container, m Memory, init, finished bool) v1.ContainerStatus {
	c := m.containers[spec.Name]
	s := v1.ContainerStatus{
		Name: spec.Name, Image: spec.Image, State: c.shown, LastTerminationState: c.last, Ready: c.ready,
		RestartCount: m.restarts[spec.Name] + int32(max(c.runs-1, 0)), Started: ptr.To(c.shown.Running != nil),
	}
	if c.published() {
		s.Image, s.ImageID, s.ContainerID = c.image, c.imageID, c.id
	}
	if init && !isSidecar(spec) {
		s.Ready = c.completed()
	}
	if s.State == (v1.ContainerState{}) {
		s.State = waiting("ContainerCreating", "")
		if len(pod.Spec.InitContainers) > 0 {
			s.State = waiting("PodInitializing", "")
		}
	}
	if finished && s.State.Waiting != nil {
		if !c.published() {
			s.State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
				ExitCode: 137, Reason: "ContainerStatusUnknown", Message: "The container could not be located when the pod was terminated",
			}}
		} else {
			s.State, s.LastTerminationState = c.last, v1.ContainerState{}
		}
	}
	return s
}

// published is whether a run of the container has been seen by whoever reads the status.
func (c container) published() bool {
	return c.shown.Running != nil || c.shown.Terminated != nil || c.last.Terminated != nil
}

func phaseOf(pod *v1.Pod, s v1.PodStatus, finished bool) v1.PodPhase {
	failed, succeeded, up, pending := 0, 0, 0, 0
	for i, c := range s.InitContainerStatuses {
		sidecar := isSidecar(&pod.Spec.InitContainers[i])
		switch {
		case sidecar && c.State.Waiting != nil && c.LastTerminationState.Terminated == nil:
			pending++
		case sidecar || c.Ready:
		case c.State.Terminated != nil && (finished || pod.Spec.RestartPolicy == v1.RestartPolicyNever):
			return v1.PodFailed
		default:
			pending++
		}
	}
	for _, c := range s.ContainerStatuses {
		end := c.State.Terminated
		if end == nil && c.State.Waiting != nil {
			end = c.LastTerminationState.Terminated
		}
		switch {
		case c.State.Running != nil:
			up++
		case end == nil:
			pending++
		case end.ExitCode == 0:
			succeeded++
		default:
			failed++
		}
	}
	policy := pod.Spec.RestartPolicy
	switch {
	case pending > 0:
		return v1.PodPending
	case up > 0:
		return v1.PodRunning
	case failed == 0 && (finished || policy != v1.RestartPolicyAlways):
		return v1.PodSucceeded
	case finished || (failed > 0 && policy == v1.RestartPolicyNever):
		return v1.PodFailed
	default:
		return v1.PodRunning
	}
}
