package nodes

import (
	"maps"
	"time"

	v1 "k8s.io/api/core/v1"
)

// kind is how a container belongs to its pod.
type kind int

const (
	kindRegular kind = iota
	kindInit
	kindSidecar // an init container that stays up
)

// World is everything beside the pod and the memory of it that decides what happens next.
type World struct {
	Now    time.Time
	Tempo  Tempo
	Image  func(ref string) Behaviour                                  // what an image does
	Probe  func(c *v1.Container, startedAt, now time.Time) ProbeResult // asks a container its readiness
	HostIP string
	PodIP  string
}

// Memory is what the simulated kubelet remembers of one pod. Its zero value is a pod not seen before.
type Memory struct {
	startedAt  time.Time
	stopAt     time.Time
	stopCode   int32
	containers map[string]container
	restarts   map[string]int32 // carried over from an earlier kubelet
	conditions []v1.PodCondition
}

// Step is the outcome of Next.
type Step struct {
	Memory   Memory
	Status   v1.PodStatus
	WakeAt   time.Time // zero: nothing is due
	Finished bool      // the pod was asked to stop and has: delete it
}

// Next decides what a pod's status is now and when to ask again. It makes at most one transition for each container,
// so that every state is published, even after a pause. It reads nothing but its arguments.
func Next(pod *v1.Pod, memory Memory, w World) Step {
	s := Step{Memory: memory}
	s.Memory.containers = maps.Clone(memory.containers)
	if s.Memory.containers == nil {
		s.Memory.containers = map[string]container{}
		s.Memory.startedAt = w.Now
		s.Memory.restarts = earlierRestarts(pod)
	}
	if pod.DeletionTimestamp != nil {
		s.stop(pod, w)
	} else {
		s.advance(pod, w)
	}
	s.Status = statusOf(pod, s.Memory, w, s.Finished)
	s.Memory.conditions = s.Status.Conditions
	return s
}

// advance moves each container whose turn it is.
func (s *Step) advance(pod *v1.Pod, w World) {
	initialized := true
	for i := range pod.Spec.InitContainers {
		if !initialized {
			break
		}
		e := surroundingsOf(pod, &pod.Spec.InitContainers[i], true, w)
		c := s.move(e)
		if e.kind == kindSidecar {
			initialized = c.runs > 0
		} else {
			initialized = c.completed()
		}
	}
	if !initialized {
		return
	}
	ended := true
	for i := range pod.Spec.Containers {
		c := s.move(surroundingsOf(pod, &pod.Spec.Containers[i], false, w))
		ended = ended && c.stage == stageDone
	}
	if ended {
		s.endSidecars(pod, w)
	}
}

func (s *Step) move(e surroundings) container {
	c := s.Memory.containers[e.spec.Name]
	if c.stage == stageQueued {
		c = c.begin(e)
	}
	c = c.advance(e)
	if e.kind != kindInit {
		s.wake(c.readiness(e))
	}
	s.wake(c.due)
	s.Memory.containers[e.spec.Name] = c
	return c
}

// stop ends the pod: not ready at once, then SIGTERM takes its time, at most the grace period.
func (s *Step) stop(pod *v1.Pod, w World) {
	if s.Memory.stopAt.IsZero() {
		s.Memory.stopAt, s.Memory.stopCode = stopPlan(pod, s.Memory, w)
	}
	s.Finished = !w.Now.Before(s.Memory.stopAt)
	for name, c := range s.Memory.containers {
		c.ready = false
		if s.Finished {
			c = c.kill(w.Now, s.Memory.stopCode, "Error")
		}
		s.Memory.containers[name] = c
	}
	if !s.Finished {
		s.wake(s.Memory.stopAt)
	}
}

// stopPlan says when the last process of the pod ends after SIGTERM, and with which exit code.
func stopPlan(pod *v1.Pod, memory Memory, w World) (time.Time, int32) {
	var delay, grace time.Duration
	if seconds := pod.DeletionGracePeriodSeconds; seconds != nil {
		grace = w.Tempo.of(time.Duration(*seconds) * time.Second)
	}
	for _, spec := range containersOf(pod) {
		if memory.containers[spec.Name].alive {
			delay = max(delay, time.Duration(w.Image(spec.Image).Stop.Delay), w.Tempo.of(stopLag))
		}
	}
	if delay > grace {
		return w.Now.Add(grace), 137
	}
	return w.Now.Add(delay), 143
}

func (s *Step) endSidecars(pod *v1.Pod, w World) {
	for i := range pod.Spec.InitContainers {
		if name := pod.Spec.InitContainers[i].Name; isSidecar(&pod.Spec.InitContainers[i]) {
			s.Memory.containers[name] = s.Memory.containers[name].kill(w.Now, 0, "Completed")
		}
	}
}

func (s *Step) wake(at time.Time) {
	if !at.IsZero() && (s.WakeAt.IsZero() || at.Before(s.WakeAt)) {
		s.WakeAt = at
	}
}

func (c container) completed() bool {
	return c.stage == stageDone && c.shown.Terminated != nil && c.shown.Terminated.ExitCode == 0
}

func surroundingsOf(pod *v1.Pod, spec *v1.Container, init bool, w World) surroundings {
	e := surroundings{World: w, spec: spec, pod: pod, restart: pod.Spec.RestartPolicy, Behaviour: w.Image(spec.Image)}
	switch {
	case init && isSidecar(spec):
		e.kind, e.restart = kindSidecar, v1.RestartPolicyAlways
	case init:
		e.kind, e.ends = kindInit, true
		if e.restart == v1.RestartPolicyAlways {
			e.restart = v1.RestartPolicyOnFailure
		}
	default:
		e.ends = ownedByJob(pod)
		if e.ends && e.Job != nil {
			e.Run = e.Job
		}
	}
	return e
}

func isSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}

func ownedByJob(pod *v1.Pod) bool {
	for _, owner := range pod.OwnerReferences {
		if owner.Kind == "Job" && owner.Controller != nil && *owner.Controller {
			return true
		}
	}
	return false
}

func containersOf(pod *v1.Pod) []v1.Container {
	all := append([]v1.Container(nil), pod.Spec.InitContainers...)
	return append(all, pod.Spec.Containers...)
}

func earlierRestarts(pod *v1.Pod) map[string]int32 {
	restarts := map[string]int32{}
	for _, list := range [][]v1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, c := range list {
			restarts[c.Name] = c.RestartCount
		}
	}
	return restarts
}
