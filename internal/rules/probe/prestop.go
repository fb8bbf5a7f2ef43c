// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PreStop recognises a preStop hook that failed, or took the whole grace period, when its container was ended.
var PreStop = &diagnosis.Rule{
	ID:    "PRB007",
	Title: "preStop hook failed or took the grace period",
	Doc: `
The container was ordered to end, and before SIGTERM the kubelet ran its preStop hook, which failed, or did not end within the grace
period that it shares with the program. The container ends all the same: the hook explains why the end was hard or late, and never
why it was ordered.

**How it is told from its look-alikes.** A FailedPreStopHook Event lies within the life of the attempt, which the kubelet ended by
order. Without such an Event, an end by SIGTERM after the whole grace period shows that the hook took it, since SIGTERM is sent when the
hook is done, or the period is over (the kubelet adds two seconds then). A kill at the end of the grace period may be the doing of
the hook or of the program: the finding is possible then, and only where there is a hook. Without a grace period none is run. A hook that ended in time and a program
that honoured SIGTERM are in order.

**What to do.** Run the hook by hand, bound what it waits for, and give both together enough terminationGracePeriodSeconds.

Kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (executePreStopHook, killContainer).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status | evidence.Events,
	Also:   evidence.Spec,
	Effect: diagnosis.HookFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.LivenessFailed, diagnosis.StartupFailed, diagnosis.PodDeleted, diagnosis.Evicted, diagnosis.DependencyDown, diagnosis.NetworkFailed,
	},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		order, _ := p.Order()
		if order.By == evidence.ByPostStart || order.Grace == 0 { // without a grace period no hook is run
			return
		}
		f := diagnosis.Finding{At: order.Event.Last, Facts: []evidence.Fact{order.Event.Fact()}}
		for _, e := range p.Events("FailedPreStopHook") {
			if !e.Last.Before(a.Started.Truncate(time.Second)) && !e.First.After(a.Finished) { // an Event has whole seconds
				f.Facts = append(f.Facts, e.Fact())
				f.Confidence = diagnosis.Certain
				f.Message = fmt.Sprintf("the preStop hook of container %s failed when the container was ended", a.Of.Container)
			}
		}
		c := p.Spec()
		if c == nil || c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
			return
		}
		if f.Confidence == 0 {
			honoured := a.ExitCode == 143 || a.ExitCode == 0
			switch {
			case honoured && order.Waited(a) >= order.Grace:
				f.Confidence = diagnosis.Likely
				f.Message = fmt.Sprintf("the preStop hook of container %s took its whole grace period of %s, and SIGTERM came only then", a.Of.Container, order.Grace)
			case a.ExitCode == 137 && order.GraceExpired(a):
				f.Confidence = diagnosis.Possible
				f.Message = fmt.Sprintf("the preStop hook of container %s may have taken its grace period of %s, so that it was killed", a.Of.Container, order.Grace)
			default:
				return
			}
		}
		f.Message += " (" + asks(c.Lifecycle.PreStop) + ")"
		f.Facts = append(f.Facts, citeHook(p, "preStop", c.Lifecycle.PreStop), a.Fact())
		f.Fixes = []diagnosis.Fix{hookFix(p, "preStop", "it and the program share one grace period")}
		p.Report(f)
	},
}
