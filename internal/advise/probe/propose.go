// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise"
)

const (
	margin  = 3 // halves: what is proposed bears one and a half times the longest that was measured
	slack   = 2 // a hang is noticed within twice the time that the present probe needs
	fewTry  = 3 // failures in a row before a liveness probe acts, where it acted on the first
	mostTry = 20

	longStart = 365 * 24 * time.Hour // that a start takes at most: what tells of more is wrong
	finely    = 120                  // seconds of a period, from which on not each is tried
)

// withMargin is one and a half times a time, up to the next second.
func withMargin(d time.Duration) time.Duration {
	return (min(d, longStart)*margin/2 + time.Second - 1).Truncate(time.Second)
}

// A proposal is what probes should be, and why.
type proposal struct {
	Probes
	reasons []string
}

func (p *proposal) because(format string, args ...any) {
	p.reasons = append(p.reasons, fmt.Sprintf(format, args...))
}

// propose says what the probes should be, by what was measured. A probe that does what it should stays as it is.
func propose(present Probes, t Tally, starts []Start, slowest map[string]Slowest, stops []Pause) proposal {
	p := proposal{Probes: Probes{present.Startup.DeepCopy(), present.Liveness.DeepCopy(), present.Readiness.DeepCopy()}}
	p.addLiveness(present, starts, slowest, stops)
	kills := present
	if present.Liveness == nil {
		kills.Liveness = p.Liveness // which would end starts that nothing ends now
	}
	p.startup(kills, t)
	p.liveness(kills, starts)
	p.readiness(present, starts)
	p.timeouts(present, slowest, stops)
	return p
}

// startup gives starts the time that they need. Without a probe that ends a start there is nothing to give.
func (p *proposal) startup(present Probes, t Tally) {
	patience := present.Patience()
	needs := withMargin(t.Longest)
	if cut := min(t.LongestCut, longStart); t.Cut > 0 && 2*cut > needs {
		needs = 2 * cut
		p.because("a probe ended %d of the starts before they were healthy, the longest after %s: how long they would have needed nobody knows, so they get twice that; measure again then", t.Cut, advise.Round(t.LongestCut))
	}
	switch {
	case patience == Never:
		return
	case patience >= needs:
		p.because("a start may take %s, which is enough: the longest took %s", advise.Round(patience), advise.Round(t.Longest))
		return
	}
	q := p.Startup
	if q == nil {
		q = present.Liveness.DeepCopy()
		q.InitialDelaySeconds, q.SuccessThreshold, q.PeriodSeconds = 0, 1, pace(needs, q)
		q.TerminationGracePeriodSeconds = nil
		p.Liveness.InitialDelaySeconds = 0
		p.because("the liveness probe alone ends a start after %s; a startup probe that asks the same holds it back until the container answers", advise.Round(patience))
	} else {
		p.because("the startup probe ends a start after %s", advise.Round(patience))
	}
	period := seconds(q.PeriodSeconds)
	rest := needs - seconds(q.InitialDelaySeconds)
	q.FailureThreshold = int32(max((rest+period-1)/period, 0)) + 1 // the first try may come at once, so one more than the quotient
	for p.Startup = q; p.Patience() < needs; {                     // and some of the first second of a delay may be over already
		q.FailureThreshold++
	}
	if needs == withMargin(t.Longest) {
		p.because("the longest start took %s: with %d tries every %ds it may take %s, one and a half times that", advise.Round(t.Longest), q.FailureThreshold, q.PeriodSeconds, advise.Round(p.Patience()))
	}
}

// pace is how often a startup probe asks, in seconds: often enough that a start is not kept waiting for much of its time. A command
// is dearer than a connection.
func pace(needs time.Duration, q *corev1.Probe) int32 {
	least := int32(1)
	if q.Exec != nil {
		least = 5
	}
	for _, n := range []int32{10, 5, 2} {
		if needs >= 12*seconds(n) {
			return max(n, least)
		}
	}
	return least
}

// liveness makes the probe bear the pauses that containers recovered from, one and a half times as long, and still notice a hang in
// time. Where it cannot do both with the margin, it bears what was seen.
func (p *proposal) liveness(present Probes, starts []Start) {
	q := p.Liveness
	if q == nil {
		return
	}
	longest, n := pauses(starts)
	bears := func(q *corev1.Probe, halves int) bool {
		return q.FailureThreshold > 1 && times(int64(q.FailureThreshold)-1, seconds(q.PeriodSeconds)) >= times(int64(halves), longest)/2
	}
	switch {
	case bears(q, margin):
		return
	case n > 0:
		p.because("%s the liveness probe and recovered, after %s at most; it is to bear one and a half times that", failed(n), advise.Round(longest))
	default:
		p.because("the liveness probe acts on the first failure: one lost try ends the container")
	}
	for _, m := range []int{margin, 2} {
		if better := p.search(present, func(q *corev1.Probe) bool { return bears(q, m) }); better != nil {
			p.Liveness = better
			return
		}
	}
	p.because("no period and threshold bears that and notices a hang within twice the %s that it takes now: the liveness probe stays as it is", advise.Round(present.Notices()))
}

func failed(n int) string {
	if n == 1 {
		return "one run failed"
	}
	return fmt.Sprintf("%d runs failed", n)
}

// search returns the liveness probe nearest to the present one that bears what it should and notices a hang within twice the time.
func (p *proposal) search(present Probes, bears func(*corev1.Probe) bool) *corev1.Probe {
	periods := []int32{p.Liveness.PeriodSeconds}
	for n := p.Liveness.PeriodSeconds; n > 1; {
		if n > 2*finely {
			n /= 2
		} else {
			n--
		}
		periods = append(periods, n)
	}
	for _, period := range periods {
		for tries := max(p.Liveness.FailureThreshold, 2); tries <= mostTry; tries++ {
			q := p.Liveness.DeepCopy()
			q.PeriodSeconds, q.FailureThreshold = period, tries
			if !bears(q) {
				continue
			}
			if (Probes{Startup: p.Startup, Liveness: q}).inTime(present) {
				return q
			}
			break // more tries take longer still
		}
	}
	return nil
}

// pauses are the longest that was recovered from, and in how many runs there was one.
func pauses(starts []Start) (longest time.Duration, n int) {
	for _, s := range starts {
		for _, m := range s.Pauses {
			longest = max(longest, m.To-m.From)
		}
		if len(s.Pauses) > 0 {
			n++
		}
	}
	return longest, n
}

// slowAnswer is what a probe of one second is given instead, where tries have waited in vain.
const slowAnswer = 3

// readiness gives answers the time that the record shows them to need, and drops a delay that a startup probe makes idle.
func (p *proposal) readiness(present Probes, starts []Start) {
	silent := 0
	for i := range starts {
		if s := &starts[i]; s.Silent && s.measured() && !s.hung() {
			silent++
		}
	}
	if silent > 0 && p.patient(present) {
		p.because("in %d runs that recovered a try had no answer in time: answers get %ds", silent, slowAnswer)
	}
	if present.Startup == nil && p.Startup != nil && p.Readiness != nil && p.Readiness.InitialDelaySeconds > 0 {
		p.Readiness.InitialDelaySeconds = 0
		p.because("the readiness probe needs no initialDelaySeconds: it is not asked before the startup probe has succeeded")
	}
}

// patient gives answers more time, where a hang is noticed early enough still, and tells whether it did.
func (p *proposal) patient(present Probes) (changed bool) {
	for _, q := range []*corev1.Probe{p.Liveness, p.Readiness} {
		if q == nil || q.TimeoutSeconds >= slowAnswer || q.PeriodSeconds < slowAnswer {
			continue
		}
		before := q.TimeoutSeconds
		q.TimeoutSeconds = slowAnswer
		if q == p.Liveness && !p.inTime(present) {
			q.TimeoutSeconds = before
			continue
		}
		changed = true
	}
	return changed
}
