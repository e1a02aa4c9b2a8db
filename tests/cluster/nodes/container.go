package nodes

import (
	"crypto/sha256"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stage is where a container is. What its status shows trails behind: see container.shown.
type stage int

const (
	stageQueued       stage = iota // waits for the init containers before it
	stagePulling                   // an attempt is under way
	stagePullFailed                // failed, not published yet
	stagePullError                 // ErrImagePull is published
	stagePullBackOff               // ImagePullBackOff (or InvalidImageName) is published
	stageCreating                  // pulled
	stageCreateFailed              // cannot be created
	stageRunning                   // the process is up
	stageDying                     // the process has ended, not published yet
	stageExited                    // terminated is published, a restart follows
	stageBackOff                   // CrashLoopBackOff is published
	stageDone                      // ended for good
)

// container is what the simulated kubelet remembers of one container.
type container struct {
	stage stage
	due   time.Time // when the stage ends; zero: only the catalogue or the pod ends it
	since time.Time // when the pull attempt began, or failed

	pullFailures int
	runs         int // processes started
	crashes      int // runs that the catalogue ended
	streak       int // crashes in a row, for the back-off
	alive        bool
	startedAt    time.Time
	finishedAt   time.Time
	exitCode     int32
	exitReason   string

	id, image, imageID string
	shown, last        v1.ContainerState
	ready              bool
	probe              probeMemory
}

// surroundings is what a container sees: itself as specified, its image's behaviour, and the world.
type surroundings struct {
	World
	spec    *v1.Container
	kind    kind
	restart v1.RestartPolicy
	ends    bool // a healthy process ends with 0
	pod     *v1.Pod
	Behaviour
}

func (c container) begin(e surroundings) container {
	c.stage = stagePulling
	c.since = e.Now.Add(e.Tempo.of(attemptLag))
	return c
}

// advance makes the one transition that is due, if any.
func (c container) advance(e surroundings) container {
	if c.stage == stagePulling { // a change of the catalogue applies to the attempt under way
		c.due = c.since.Add(time.Duration(e.Pull.Delay))
		if e.Pull.Fail == PullNever && e.Pull.fails(c.pullFailures) {
			c.due = time.Time{}
		}
	}
	if c.due.IsZero() || e.Now.Before(c.due) {
		return c
	}
	at := c.due
	switch c.stage {
	case stagePulling:
		return c.pulled(e, at)
	case stagePullFailed:
		_, backOffAfter, _ := pullLags(c.pullFailures)
		return c.show(waiting("ErrImagePull", e.Pull.pullMessage(e.spec.Image))).to(stagePullError, c.since.Add(e.Tempo.of(backOffAfter)))
	case stagePullError:
		_, _, nextAfter := pullLags(c.pullFailures)
		message := fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", e.spec.Image, e.Pull.pullMessage(e.spec.Image))
		return c.show(waiting("ImagePullBackOff", message)).to(stagePullBackOff, c.since.Add(e.Tempo.of(nextAfter)))
	case stagePullBackOff:
		c.since = at
		return c.to(stagePulling, at.Add(time.Duration(e.Pull.Delay)))
	case stageCreateFailed:
		return c.to(stageCreating, at.Add(e.Tempo.of(startLag)+time.Duration(e.Start.Delay)))
	case stageCreating:
		return c.create(e, at)
	case stageRunning:
		c.alive, c.finishedAt = false, at
		return c.to(stageDying, at.Add(e.Tempo.of(exitNoticeLag)))
	case stageDying:
		return c.exited(e, at)
	case stageExited:
		if c.streak <= 1 {
			return c.to(stageCreating, at.Add(time.Duration(e.Start.Delay)))
		}
		c.last = c.shown
		message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
			backOff(c.streak-1), e.spec.Name, e.pod.Name, e.pod.Namespace, e.pod.UID)
		return c.show(waiting("CrashLoopBackOff", message)).to(stageBackOff, c.finishedAt.Add(e.Tempo.of(crashLag(c.streak))))
	case stageBackOff:
		return c.to(stageCreating, at.Add(time.Duration(e.Start.Delay)))
	default:
		return c.to(c.stage, time.Time{})
	}
}

// pulled ends a pull attempt.
func (c container) pulled(e surroundings, at time.Time) container {
	if !e.Pull.fails(c.pullFailures) {
		return c.to(stageCreating, at.Add(e.Tempo.of(startLag)+time.Duration(e.Start.Delay)))
	}
	c.pullFailures++
	c.since = at
	if e.Pull.Fail == PullInvalidName {
		return c.show(waiting("InvalidImageName", e.Pull.pullMessage(e.spec.Image))).to(stagePullBackOff, at.Add(e.Tempo.of(retryLag)))
	}
	errorAfter, _, _ := pullLags(c.pullFailures)
	return c.to(stagePullFailed, at.Add(e.Tempo.of(errorAfter)))
}

// create starts the process, or says why it cannot.
func (c container) create(e surroundings, at time.Time) container {
	retry := at.Add(e.Tempo.of(retryLag))
	switch {
	case e.Start.ConfigError != "":
		return c.show(waiting("CreateContainerConfigError", e.Start.ConfigError)).to(stageCreateFailed, retry)
	case e.Start.CreateError != "":
		return c.show(waiting("CreateContainerError", e.Start.CreateError)).to(stageCreateFailed, retry)
	}
	if c.shown.Terminated != nil {
		c.last = c.shown
	}
	exits, after := c.plan(e)
	c.runs++
	c.id = fmt.Sprintf("containerd://%x", sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", e.pod.UID, e.spec.Name, c.runs)))
	c.image, c.imageID = e.identity(e.spec.Image)
	c.startedAt, c.finishedAt = at, at
	c.probe = startProbe(e, at)
	if exits && after == 0 {
		// The first run is over before anybody looks; later runs are seen running for about a second.
		if c.runs > 1 {
			c = c.show(running(at))
		}
		return c.to(stageDying, at.Add(e.Tempo.of(noticeLag)))
	}
	c.alive = true
	c = c.show(running(at))
	if exits {
		return c.to(stageRunning, at.Add(after))
	}
	return c.to(stageRunning, time.Time{})
}

// plan decides at the start of a process how it will end.
func (c *container) plan(e surroundings) (exits bool, after time.Duration) {
	run := e.Run
	switch {
	case run != nil && (run.Times == 0 || c.crashes < run.Times):
		c.crashes++
		c.exitCode, c.exitReason = 1, "Error"
		if run.ExitCode != nil {
			c.exitCode = *run.ExitCode
		}
		if run.OOMKilled {
			c.exitCode, c.exitReason = 137, "OOMKilled"
		}
		if c.exitCode == 0 {
			c.exitReason = "Completed"
		}
		return true, time.Duration(run.After)
	case e.ends:
		c.exitCode, c.exitReason = 0, "Completed"
		return true, 0
	default:
		return false, 0
	}
}

// exited publishes the end of a process.
func (c container) exited(e surroundings, at time.Time) container {
	if c.finishedAt.Sub(c.startedAt) >= e.Tempo.of(forgiveAfter) {
		c.streak = 0
	}
	c.streak++
	c = c.show(c.terminated(c.exitCode, c.exitReason))
	again := e.restart == v1.RestartPolicyAlways || (e.restart == v1.RestartPolicyOnFailure && c.exitCode != 0)
	switch {
	case !again:
		return c.to(stageDone, time.Time{})
	case c.streak == 1:
		return c.to(stageExited, at.Add(e.Tempo.of(restartLag)))
	default:
		return c.to(stageExited, at.Add(e.Tempo.of(backOffLag)))
	}
}

// kill ends the container for good.
func (c container) kill(at time.Time, code int32, reason string) container {
	switch {
	case c.alive:
		c.finishedAt = at
		c = c.show(c.terminated(code, reason))
	case c.stage == stageDying:
		c = c.show(c.terminated(c.exitCode, c.exitReason))
	}
	c.alive, c.ready = false, false
	return c.to(stageDone, time.Time{})
}

func (c container) to(s stage, due time.Time) container {
	c.stage, c.due = s, due
	return c
}

func (c container) show(s v1.ContainerState) container {
	c.shown = s
	return c
}

func (c container) terminated(code int32, reason string) v1.ContainerState {
	return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, ContainerID: c.id,
		StartedAt: metav1.NewTime(c.startedAt), FinishedAt: metav1.NewTime(c.finishedAt),
	}}
}

func waiting(reason, message string) v1.ContainerState {
	return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func running(at time.Time) v1.ContainerState {
	return v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}}
}
