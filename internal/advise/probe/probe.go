// SPDX-License-Identifier: Apache-2.0

// Package probe is measured advice about probes. Starts that were recorded are replayed against the probes that a container
// has and against others, as a kubelet would have asked; what is proposed lets each of them live that became healthy, with a
// margin, and still ends one that hangs. Everything is a function of a snapshot, or of several of the same workload.
package probe

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Never stands for a time that was not reached.
const Never = advise.Forever

// Probes are those of one container; nil where it has none.
type Probes struct{ Startup, Liveness, Readiness *corev1.Probe }

// Of returns the probes of a container with the defaults that an API server fills in (kubernetes pkg/apis/core/v1/defaults.go,
// SetDefaults_Probe). A probe that asks nothing counts as none.
func Of(c *corev1.Container) Probes {
	return Probes{filled(c.StartupProbe), filled(c.LivenessProbe), filled(c.ReadinessProbe)}
}

func filled(p *corev1.Probe) *corev1.Probe {
	if p == nil || p.ProbeHandler == (corev1.ProbeHandler{}) {
		return nil
	}
	q := p.DeepCopy()
	for _, d := range []struct {
		field *int32
		value int32
	}{{&q.TimeoutSeconds, 1}, {&q.PeriodSeconds, 10}, {&q.SuccessThreshold, 1}, {&q.FailureThreshold, 3}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return q
}

// same tells whether two containers are asked alike.
func (p Probes) same(o Probes) bool { return equality.Semantic.DeepEqual(p, o) }

// sameQuestion tells whether two probes ask the same.
func sameQuestion(a, b *corev1.Probe) bool {
	return a != nil && b != nil && equality.Semantic.DeepEqual(a.ProbeHandler, b.ProbeHandler)
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// farthest is how far anything is looked at: what comes later never does. Another int32 of seconds can be added to it.
const farthest = 200 * 365 * 24 * time.Hour

// times is a multiple of a time, and farthest where it is more than that.
func times(n int64, d time.Duration) time.Duration {
	if n > 0 && d > farthest/time.Duration(n) {
		return farthest
	}
	return time.Duration(n) * d
}

// A Span is a part of a run, as time since its start. To is Never where it has no end.
type Span struct{ From, To time.Duration }

// A Course is how a container answers while one attempt runs, as time since its start.
type Course struct {
	Lives   time.Duration // from when on its startup and its liveness probe are answered; Never: they are not
	Ready   time.Duration // and its readiness probe
	Mute    []Span        // in which it answers nothing, in order
	Silent  bool          // what does not answer takes connections and says nothing, so that each try lasts until its time-out; else it refuses at once
	Latency time.Duration // of an answer
	Ends    time.Duration // when it ends by itself; 0: it does not
}

// answer says whether a try at a time succeeds, and how long it takes. A connection that is opened succeeds with a program that
// takes it and says nothing: the kernel opens it.
func (c *Course) answer(p *corev1.Probe, from, at time.Duration) (ok bool, took time.Duration) {
	timeout := seconds(p.TimeoutSeconds)
	until := max(at, from)
	for _, m := range c.Mute {
		if at >= m.From && at < m.To {
			until = max(until, m.To)
		}
	}
	switch {
	case until == at:
		return c.Latency < timeout, min(c.Latency, timeout)
	case !c.Silent:
		return false, 0
	case p.TCPSocket != nil:
		return true, 0
	case until != Never && until+c.Latency-at < timeout:
		return true, until + c.Latency - at
	}
	return false, timeout
}

// change is the first time after at when the container answers otherwise; Never where it does not.
func (c *Course) change(at time.Duration) time.Duration {
	next := Never
	for _, t := range c.turns() {
		if t > at {
			next = min(next, t)
		}
	}
	return next
}

// turns are the times at which it begins or ceases to answer.
func (c *Course) turns() []time.Duration {
	list := []time.Duration{c.Lives, c.Ready}
	for _, m := range c.Mute {
		list = append(list, m.From, m.To)
	}
	if c.Ends > 0 {
		list = append(list, c.Ends)
	}
	return list
}

// A Phase is what nobody outside a kubelet knows of its workers: how long after the start of the container the ticker of each
// first goes off, less than its period; how far into its second the container started; and how many failures in a row each has
// counted before this attempt, which it does not forget when a container ends by itself.
type Phase struct {
	Startup, Liveness time.Duration
	Second            time.Duration
	CarriedStartup    int
	CarriedLiveness   int
}

// An Outcome is what probes do to an attempt, as time since its start.
type Outcome struct {
	Started time.Duration    // when the startup probe succeeded; 0 without one; Never
	Ready   time.Duration    // when the readiness probe first did; Never
	Killed  time.Duration    // when the kubelet ordered its end; Never
	By      evidence.Orderer // whose failures that was for
	Unready int              // how often it was taken out of its Services once it had been ready
}
