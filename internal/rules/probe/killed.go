// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// killedBy reports that a probe made the kubelet end the attempt.
func killedBy(p *diagnosis.Pass, by evidence.Orderer, field string, probe *corev1.Probe) {
	a := p.Attempt()
	order, _ := p.Order()
	marked := a.Reason == "OOMKilled" && a.ExitCode == 137
	if order.By != by || marked && !order.GraceExpired(a) || killedFirst(p, a) {
		return
	}
	f := diagnosis.Finding{
		At: order.Event.Last, Confidence: diagnosis.Certain,
		Message: fmt.Sprintf("container %s was ended by the kubelet because its %s failed", a.Of.Container, by),
		Facts:   []evidence.Fact{order.Event.Fact()},
	}
	failed := failing{field: field, probe: probe, killed: true, lived: lived(a, order)}
	if e, ok := failures(p, map[evidence.Orderer]string{evidence.ByLiveness: "Liveness", evidence.ByStartup: "Startup"}[by], a.Finished); ok && (order.Inferred || !e.Last.Before(a.Started.Truncate(time.Second))) {
		failed.verdict = how(e.Message, probe)
		f.Message += ": " + failed.text
		if e.Message != order.Event.Message {
			f.Facts = append(f.Facts, e.Fact())
		}
	}
	if probe != nil {
		early := fromStart(probe, failed.lived)
		failed.always, failed.before = early && failed.lived > 0, !early && by == evidence.ByLiveness
		f.Message += fmt.Sprintf(" (%s, %s)", target(probe), budget(probe))
		f.Facts = append(f.Facts, p.CiteSpec(field+".failureThreshold", probe.FailureThreshold), p.CiteSpec(field+".periodSeconds", probe.PeriodSeconds))
		if probe.TerminationGracePeriodSeconds != nil {
			f.Facts = append(f.Facts, p.CiteSpec(field+".terminationGracePeriodSeconds", *probe.TerminationGracePeriodSeconds))
		}
	}
	f.Facts = append(f.Facts, a.Fact())
	if order.Inferred {
		f.Confidence, f.At = diagnosis.Likely, a.Finished.Add(-time.Second)
	}
	if marked { // the counter behind the label also counts children that were killed before
		f.Confidence = diagnosis.Likely
	}
	said := judge(p, failed)
	if said.text != "" {
		f.Message += ", " + said.text
	}
	f.Fixes = said.fixes
	p.Report(f)
}

// killedFirst tells whether the kernel says that it killed a process of the container for memory in the seconds of the end:
// it says so only of a process that nobody has killed before (task_will_free_mem in mm/oom_kill.c, oom_kill_process).
func killedFirst(p *diagnosis.Pass, a evidence.Attempt) bool {
	return a.ExitCode == 137 && slices.ContainsFunc(p.Facts(evidence.Host, "oom-kill"), func(f evidence.Fact) bool {
		return (f.About == a.Of || f.About == a.Of.InAttempt(evidence.NoAttempt)) && f.At.Sub(a.Finished).Abs() <= 3*time.Second
	})
}

// lived is how long the attempt lived before it was ordered to end; 0 where that is not known. Where the order was not
// recorded, the end of a program that honours SIGTERM stands for it.
func lived(a evidence.Attempt, order evidence.Order) time.Duration {
	switch {
	case !order.Inferred:
		return order.Event.Last.Sub(a.Started)
	case a.ExitCode == 143 || a.ExitCode == 0:
		return a.Finished.Sub(a.Started)
	}
	return 0
}
