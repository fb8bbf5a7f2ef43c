// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// stuck is how long a container answers nothing before that counts as a hang. Of a probe that fails on and on an Event is written each
// five minutes at the least (client-go tools/record/events_cache.go, defaultSpamQPS).
const stuck = 10 * time.Minute

// hang reads since when a run without a liveness probe answers nothing, where it is not ready since then and was before: each try of its
// readiness probe waits in vain or is refused. What answers that it is not ready does not hang.
func (r *reading) hang() {
	since, unready := r.unready()
	if !unready || r.Probes.Liveness != nil || r.Probes.Readiness == nil {
		return
	}
	late := false
	for _, e := range r.s.EventsAbout(r.Of.InAttempt(evidence.NoAttempt)) {
		if e.Reason != "Unhealthy" || !strings.HasPrefix(e.Message, "Readiness probe ") || e.Last.Before(since) {
			continue
		}
		if !silent(e.Message) && !strings.Contains(e.Message, "connection refused") {
			return
		}
		late = late || r.s.Taken.Sub(e.Last) <= stuck
	}
	if late {
		r.Hang = Span{since.Sub(r.Began), r.Lived}
	}
}

// unready returns since when the run is not ready that was ready before, and for long. The pod's condition is that of all containers.
func (r *reading) unready() (since time.Time, is bool) {
	if r.Ended {
		return since, false
	}
	for _, st := range r.pod.Status.ContainerStatuses {
		if st.Ready == (st.Name == r.Of.Container) {
			return since, false
		}
	}
	for _, c := range r.pod.Status.Conditions {
		if c.Type == corev1.ContainersReady && c.Status == corev1.ConditionFalse {
			since = c.LastTransitionTime.Time
		}
	}
	return since, since.Sub(r.Began) > time.Minute && r.s.Taken.Sub(since) >= stuck // sooner, it may be by the end of the run before
}

// silent tells whether a try that failed had waited until its time-out.
func silent(message string) bool {
	lower := strings.ToLower(message)
	return strings.Contains(lower, "timed out") || strings.Contains(lower, "deadline exceeded") || strings.Contains(lower, "timeout")
}

// uncaught returns the runs that hung and that nothing ended while another pod of the workload was ready: what all of them wait for is no
// hang of theirs. Alone is the number of those that no other pod tells that of.
func uncaught(starts []Start) (list []Start, alone int) {
	for _, s := range starts {
		if s.Hang == (Span{}) {
			continue
		}
		by := s.Began.Add(s.Hang.From + stuck)
		if slices.ContainsFunc(starts, func(o Start) bool {
			return o.Pod != s.Pod && !o.Ended && o.Ready != Never && !o.Began.Add(o.Lived).Before(by)
		}) {
			list = append(list, s)
		} else {
			alone++
		}
	}
	return list, alone
}

// calm is how many failures in a row a new liveness probe bears at least, at ten seconds each: it is to end what hangs, and soon is
// less important there than never wrongly.
const calm = 6

// addLiveness adds a liveness probe where there is none, where a hang was seen that nothing caught and something is known to ask.
func (p *proposal) addLiveness(present Probes, starts []Start, slowest map[string]Slowest, stops []Pause) {
	hung, _ := uncaught(starts)
	kind := liveQuestion(present)
	if present.Liveness != nil || len(hung) == 0 || kind == "" {
		return
	}
	source := p.of(kind)
	q := &corev1.Probe{ProbeHandler: *source.ProbeHandler.DeepCopy(), TimeoutSeconds: source.TimeoutSeconds, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: calm}
	if q.Exec != nil {
		q.PeriodSeconds = max(q.PeriodSeconds, source.PeriodSeconds)
	}
	waits := p.waits(q, slowest[kind], stops)
	longest, _ := pauses(starts)
	period := seconds(q.PeriodSeconds)
	least := withMargin(longest) + period
	if ready := present.Readiness; ready != nil { // which is to act before, with half the patience
		patience := times(int64(ready.FailureThreshold), seconds(ready.PeriodSeconds))
		least = max(least, times(2, patience), patience+seconds(ready.TimeoutSeconds)+period)
	}
	q.FailureThreshold = max(q.FailureThreshold, int32((min(least, longStart)+period-1)/period))
	p.Liveness = q
	first := &hung[0]
	p.because("%s hung for %s and nothing ended it, while another pod was ready: a liveness probe that asks what its %s probe asks ends one within %s, where that is not answered; %s",
		first.Of.Name, advise.Round(first.Hang.To-first.Hang.From), strings.ToLower(kind), advise.Round(p.Notices()), waits)
}

// liveQuestion is the kind of the probe whose question a liveness probe can ask: not one that a hang passes, or that others can fail.
func liveQuestion(present Probes) string {
	for _, kind := range []string{"Startup", "Readiness"} {
		if q := present.of(kind); q != nil && q.TCPSocket == nil && dependency(q) == "" {
			return kind
		}
	}
	return ""
}

// withoutLiveness says why no liveness probe is proposed where there is none.
func withoutLiveness(present Probes, t Tally, starts []Start) string {
	hung, alone := uncaught(starts)
	switch {
	case len(hung) > 0 && liveQuestion(present) == "":
		return fmt.Sprintf("%s hung and nothing ended it, but no probe asks what the program alone can fail: no liveness probe is proposed before it has such an endpoint", hung[0].Of.Name)
	case len(hung) > 0:
		return fmt.Sprintf("%s hung and nothing ended it: a liveness probe is proposed when %d starts were measured, as it could end one", hung[0].Of.Name, Few)
	case alone > 0:
		return "it answered nothing for long, but no other pod was ready then, so it may have waited for what all need: no liveness probe is proposed, which would restart it for that"
	case t.Starts == 0:
		return ""
	case present.Readiness == nil:
		return "it has no liveness probe, and nothing tells whether it ever hung: none is proposed, as one that fails wrongly restarts what works"
	}
	return "it has no liveness probe, and the record has no hang that one would have ended: none is proposed, as that is often right"
}
