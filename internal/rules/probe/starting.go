// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Starting recognises a container that has been starting for long, as its startup probe has it.
var Starting = &diagnosis.Rule{
	ID:    "PRB004",
	Title: "Startup probe has not succeeded yet",
	Doc: `
The container runs, and its startup probe has not succeeded since it began: it counts as not started, gets no traffic, and its
liveness and readiness probes do not run. When failureThreshold failures are reached, the kubelet ends it.

**How it is told from its look-alikes.** The status says started false while the container runs, and an Unhealthy Event "Startup
probe failed" lies within this run. A slow start within the budget is in order, so the finding is possible at most, and nothing
is said in the first half minute. A run that the startup probe has ended is PRB002; a readiness probe fails only after the start.

**What to do.** If the program is known to need that long, wait. If the probe asks the wrong port or path, it will never succeed.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status | evidence.Spec | evidence.Events,
	Effect: diagnosis.NotReady,
	CausedBy: []diagnosis.Effect{
		diagnosis.DependencyDown, diagnosis.NetworkFailed, diagnosis.Throttled, diagnosis.NodePressure, diagnosis.NodeSaturated,
		diagnosis.VolumeFailed, diagnosis.StartupFailed, diagnosis.ConfigChanged, diagnosis.RolledOut,
	},
	Run: func(p *diagnosis.Pass) {
		st, c := p.Status(), p.Spec()
		if !running(p) || c.StartupProbe == nil || st.Started == nil || *st.Started {
			return
		}
		began := st.State.Running.StartedAt.Time
		e, _ := failures(p, "Startup", p.Now())
		if age := p.Now().Sub(began); began.IsZero() || e.Last.Before(began) || age < tooLong {
			return
		}
		f := failing{field: "startupProbe", probe: c.StartupProbe, verdict: how(e.Message, c.StartupProbe), always: true}
		said := judge(p, f)
		found := diagnosis.Finding{
			At: began, Confidence: diagnosis.Possible,
			Message: fmt.Sprintf("container %s has been starting for %s of at most %s, and its startup probe fails: %s (%s)", c.Name,
				p.Now().Sub(began).Round(time.Second), patience(c.StartupProbe), f.text, target(c.StartupProbe)),
			Facts: append(notReady(p), e.Fact()), Fixes: said.fixes,
		}
		if said.text != "" {
			found.Message += ", " + said.text
		}
		p.Report(found)
	},
}
