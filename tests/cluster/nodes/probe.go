package nodes

import (
	"reflect"
	"time"

	v1 "k8s.io/api/core/v1"
)

// ProbeResult is the answer to one readiness probe.
type ProbeResult struct {
	OK        bool
	Again     bool      // the next probe can end otherwise
	ChangesAt time.Time // when the answer changes by itself; zero: it does not
}

// probeMemory keeps what the readiness probe of one run found. A probe whose answer cannot change is not repeated
// until the catalogue changes, so that pods at rest cost nothing.
type probeMemory struct {
	ready   bool
	streak  int       // answers in a row that contradict ready
	next    time.Time // zero: nothing to ask
	answers []Answer  // what the catalogue said when it was last asked
}

func startProbe(e surroundings, at time.Time) probeMemory {
	delay := time.Duration(0)
	if p := e.spec.ReadinessProbe; p != nil {
		delay = e.Tempo.of(seconds(p.InitialDelaySeconds))
	}
	return probeMemory{next: at.Add(delay), answers: e.HTTP}
}

// readiness says whether a running container is ready, and when to look again (zero: not by itself).
func (c *container) readiness(e surroundings) (wake time.Time) {
	if c.stage == stageDying { // nobody has noticed yet
		return time.Time{}
	}
	c.ready = false
	if !c.alive || c.shown.Running == nil {
		return time.Time{}
	}
	if e.Ready.Never {
		return time.Time{}
	}
	if from := c.startedAt.Add(time.Duration(e.Ready.Delay)); e.Now.Before(from) {
		return from
	}
	p := e.spec.ReadinessProbe
	if p == nil || (p.HTTPGet == nil && p.TCPSocket == nil) {
		c.ready = true
		return time.Time{}
	}
	started := !e.Now.Before(c.startedAt.Add(e.Tempo.of(seconds(p.InitialDelaySeconds))))
	changed := started && !reflect.DeepEqual(c.probe.answers, e.HTTP)
	if changed || (!c.probe.next.IsZero() && !e.Now.Before(c.probe.next)) {
		c.probe = c.probe.after(e.Probe(e.spec, c.startedAt, e.Now), p, e)
	}
	c.ready = c.probe.ready
	return c.probe.next
}

func (m probeMemory) after(r ProbeResult, p *v1.Probe, e surroundings) probeMemory {
	period := e.Now.Add(max(e.Tempo.of(seconds(max(p.PeriodSeconds, 1))), 20*time.Millisecond))
	m.answers = e.HTTP
	if r.OK == m.ready {
		m.streak = 0
	} else if m.streak++; m.streak >= m.threshold(p) {
		m.ready, m.streak = r.OK, 0
	}
	switch {
	case m.streak > 0 || r.Again:
		m.next = period
	default:
		m.next = r.ChangesAt
	}
	return m
}

func (m probeMemory) threshold(p *v1.Probe) int {
	if m.ready {
		return int(max(p.FailureThreshold, 1))
	}
	return int(max(p.SuccessThreshold, 1))
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
