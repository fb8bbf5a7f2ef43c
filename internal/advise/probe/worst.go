// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// lastMoment is how far into its second a container starts where that makes the kubelet ask soonest.
const lastMoment = time.Second - time.Millisecond

// Worst replays a course at each of the kubelet's ticks that can make a difference, and returns the outcome in which it is ended
// soonest, or where none ends it is ready last.
func (p Probes) Worst(c Course) Outcome {
	var worst Outcome
	first := true
	p.each(c, func(o Outcome) {
		if first || o.Killed < worst.Killed || o.Killed == Never && worst.Killed == Never && o.Ready > worst.Ready {
			worst, first = o, false
		}
	})
	return worst
}

// Latest is the longest that it can take until a course is ended; Never where it may not be.
func (p Probes) Latest(c Course) time.Duration {
	latest := time.Duration(0)
	p.each(c, func(o Outcome) { latest = max(latest, o.Killed) })
	return latest
}

// each sees the outcome at each phase of one ticker, and then of the other: what ends a start and what ends a run later are apart.
func (p Probes) each(c Course, see func(Outcome)) {
	until := p.horizon(c)
	parts := []time.Duration{0, lastMoment}
	if p.delay() == 0 {
		parts = parts[:1]
	}
	try := func(startup, liveness time.Duration) {
		for _, second := range parts {
			see(Simulate(p, c, Phase{Startup: startup, Liveness: liveness, Second: second}, until))
		}
	}
	for _, phase := range phases(p.Startup, &c) {
		try(phase, 0)
	}
	for _, phase := range phases(p.Liveness, &c) {
		try(0, phase)
	}
}

// delay is the longest initialDelaySeconds.
func (p Probes) delay() (longest int32) {
	for _, q := range []*corev1.Probe{p.Startup, p.Liveness} {
		if q != nil {
			longest = max(longest, q.InitialDelaySeconds)
		}
	}
	return longest
}

// phases are the ticks of a probe that can make a difference: just before, at and just after something that the container does, with
// and without the wait for an answer.
func phases(p *corev1.Probe, c *Course) []time.Duration {
	if p == nil {
		return []time.Duration{0}
	}
	period := seconds(p.PeriodSeconds)
	list := []time.Duration{0, period - time.Millisecond}
	turns := c.turns()
	if d := seconds(p.InitialDelaySeconds); d > 0 {
		turns = append(turns, d, d-lastMoment)
	}
	for _, t := range turns {
		if t == Never {
			continue
		}
		for _, at := range []time.Duration{t, t - seconds(p.TimeoutSeconds)} {
			for _, by := range []time.Duration{-time.Millisecond, 0, time.Millisecond} {
				list = append(list, ((at+by)%period+period)%period)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// horizon is when all that probes do to a course is over.
func (p Probes) horizon(c Course) time.Duration {
	last := time.Duration(0)
	for _, t := range c.turns() {
		if t != Never {
			last = max(last, min(t, farthest))
		}
	}
	for _, q := range []*corev1.Probe{p.Startup, p.Liveness, p.Readiness} {
		if q != nil {
			each := max(seconds(q.PeriodSeconds), seconds(q.TimeoutSeconds))
			asks := times(int64(q.FailureThreshold)+int64(q.SuccessThreshold)+2, each)
			last = min(last+seconds(q.InitialDelaySeconds), farthest)
			last = min(last, farthest-asks) + asks
		}
	}
	return last
}

// Patience is how long a start may take that no tick of the kubelet has ended; Never where nothing ends a start.
func (p Probes) Patience() time.Duration {
	return p.Worst(Course{Lives: Never, Ready: Never}).Killed
}

// GivesUp is when a start that hangs has been ended at the latest, whether it refuses connections or takes them and says nothing;
// Never where it may not be.
func (p Probes) GivesUp() time.Duration {
	return max(p.Latest(Course{Lives: Never, Ready: Never}), p.Latest(Course{Lives: Never, Ready: Never, Silent: true}))
}

// Notices is the longest that it takes until a container that hangs, or no longer listens, is ended; Never where it may not be.
func (p Probes) Notices() time.Duration { return max(p.notices(false), p.notices(true)) }

// notices is that of one that says nothing, or of one that refuses connections.
func (p Probes) notices(silent bool) time.Duration {
	from := p.horizon(Course{}) + time.Hour
	latest := p.Latest(Course{Mute: []Span{{from, Never}}, Silent: silent})
	if latest == Never {
		return Never
	}
	return latest - from
}

// inTime tells whether a hang is noticed within twice the time that other probes need, of whichever sort it is.
func (p Probes) inTime(present Probes) bool {
	for _, silent := range []bool{false, true} {
		within, takes := present.notices(silent), p.notices(silent)
		if within != Never && (takes == Never || takes-within > (slack-1)*within) {
			return false
		}
	}
	return true
}
