package nodes

import "time"

// Times of a real kubelet (Kubernetes 1.36.3, containerd 2.4.2), at time scale 1.
const (
	attemptLag    = 500 * time.Millisecond // bound, or its turn: until the first pull attempt
	startLag      = 400 * time.Millisecond // pulled: until the process runs
	noticeLag     = time.Second            // the process ended at once: until the status says so
	exitNoticeLag = 300 * time.Millisecond // the process ended later: until the status says so
	restartLag    = 400 * time.Millisecond // the first crash is published: until the restart, without back-off
	backOffLag    = 700 * time.Millisecond // a later crash is published: until CrashLoopBackOff is
	retryLag      = 12 * time.Second       // a container that cannot be created: until the next try
	stopLag       = 500 * time.Millisecond // SIGTERM: until a process that does not delay its stop has ended
	forgiveAfter  = 10 * time.Minute       // a run this long makes the crash back-off start anew

	firstBackOff = 10 * time.Second
	longBackOff  = 5 * time.Minute
)

// shortest keeps every state long enough to be written and seen, however small the scale.
const shortest = 5 * time.Millisecond

// Tempo multiplies the kubelet's own times. It never touches the durations that a catalogue states.
type Tempo float64

func (t Tempo) of(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return max(time.Duration(float64(d)*float64(t)), shortest)
}

// pullLags tells, for the n-th failed pull (from 1), how long after the failure ErrImagePull is published, when
// ImagePullBackOff is, and when the next attempt begins. The published reason trails the attempts: they were seen
// at 0.5, 16 and 38 s, the reasons at 1.5 (Err), 16 (BackOff), 27, 38, 49 and 63 s.
func pullLags(n int) (errorAfter, backOffAfter, nextAfter time.Duration) {
	switch n {
	case 1:
		return time.Second, 15500 * time.Millisecond, 15500 * time.Millisecond
	case 2:
		return 11 * time.Second, 22 * time.Second, 22 * time.Second
	default:
		return 11 * time.Second, 25 * time.Second, backOff(n) + 4*time.Second
	}
}

// crashLag tells how long after the n-th crash in a row (from 2) the container runs again: the back-off and the
// delay of the kubelet's own loop, measured as 13.7 and 28 s.
func crashLag(n int) time.Duration {
	switch n {
	case 2:
		return 13700 * time.Millisecond
	case 3:
		return 28 * time.Second
	default:
		return backOff(n-1) + 10*time.Second
	}
}

// backOff is 10, 20, 40 s and so on, at most 5 minutes.
func backOff(n int) time.Duration {
	d := firstBackOff
	for ; n > 1 && d < longBackOff; n-- {
		d *= 2
	}
	return min(d, longBackOff)
}
