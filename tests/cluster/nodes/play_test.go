package nodes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// timeline plays a pod and writes down each change of its only container.
func timeline(t *testing.T, pod *v1.Pod, catalogue string, seconds float64) (lines []string) {
	last := ""
	play(t, pod, catalogue, seconds, 1, func(now time.Time, s v1.PodStatus) {
		if line := describe(s); line != last {
			last = line
			lines = append(lines, fmt.Sprintf("%.1f %s", now.Sub(epoch).Seconds(), line))
		}
	})
	return lines
}

// play runs Next from one wake time to the next.
func play(t *testing.T, pod *v1.Pod, catalogue string, seconds float64, scale Tempo, see func(time.Time, v1.PodStatus)) Step {
	t.Helper()
	return playIn(worldOf(t, pod, catalogue, scale), pod, seconds, see)
}

func playIn(w World, pod *v1.Pod, seconds float64, see func(time.Time, v1.PodStatus)) Step {
	end := epoch.Add(time.Duration(seconds * float64(time.Second)))
	var step Step
	for {
		step = Next(pod, step.Memory, w)
		if see != nil {
			see(w.Now, step.Status)
		}
		if step.WakeAt.IsZero() || step.WakeAt.After(end) {
			return step
		}
		if step.WakeAt.After(w.Now) {
			w.Now = step.WakeAt
		}
	}
}

func worldOf(t *testing.T, pod *v1.Pod, text string, scale Tempo) World {
	t.Helper()
	entries, err := parseCatalogue(text)
	if err != nil {
		t.Fatal(err)
	}
	catalogue := newCatalogue(map[string][]Behaviour{pod.Namespace: entries})
	return World{
		Now: epoch, Tempo: scale, HostIP: "127.20.255.1", PodIP: "127.20.0.1",
		Image: func(ref string) Behaviour { return catalogue.Lookup(pod.Namespace, ref) },
		Probe: func(_ *v1.Container, _, _ time.Time) ProbeResult { return ProbeResult{OK: true} },
	}
}

func testPod(image string) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "uid-1", Generation: 1},
		Spec: v1.PodSpec{
			RestartPolicy: v1.RestartPolicyAlways, NodeName: "node-1",
			Containers: []v1.Container{{Name: "app", Image: image, Ports: []v1.ContainerPort{{Name: "http", ContainerPort: 8080}}}},
		},
	}
}

func asJob(policy v1.RestartPolicy) func(*v1.Pod) {
	return func(pod *v1.Pod) {
		pod.Spec.RestartPolicy = policy
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Controller: ptr.To(true)}}
	}
}

func describe(s v1.PodStatus) string {
	c := s.ContainerStatuses[0]
	var words []string
	switch {
	case c.State.Waiting != nil:
		words = append(words, c.State.Waiting.Reason)
	case c.State.Terminated != nil:
		words = append(words, fmt.Sprintf("terminated %d", c.State.Terminated.ExitCode))
	default:
		words = append(words, "running")
	}
	if c.Ready {
		words = append(words, "ready")
	}
	if c.RestartCount > 0 {
		words = append(words, fmt.Sprintf("restarts=%d", c.RestartCount))
	}
	if last := c.LastTerminationState.Terminated; last != nil {
		words = append(words, fmt.Sprintf("last=%d", last.ExitCode))
	}
	return strings.Join(append(words, string(s.Phase)), " ")
}

func condition(s v1.PodStatus, t v1.PodConditionType) v1.ConditionStatus {
	for _, c := range s.Conditions {
		if c.Type == t {
			return c.Status
		}
	}
	return v1.ConditionUnknown
}
