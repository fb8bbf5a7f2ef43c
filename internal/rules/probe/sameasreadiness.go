// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"reflect"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SameAsReadiness recognises a liveness probe that fails whenever the readiness probe does.
var SameAsReadiness = &diagnosis.Rule{
	ID:    "PRB102",
	Title: "Liveness probe asks what the readiness probe asks",
	Doc: `
Liveness and readiness probe of a container ask the same, as often and as patiently. When the program is busy or waits for something else,
readiness should take it out of the Service until it has recovered; here the kubelet restarts it at the same moment, and all
replicas at once when what they wait for is down.

**How it is told from its look-alikes.** Both have the same handler, and the liveness probe allows less than twice the time that the
readiness probe does. The same question with much more patience is a usual and sound way, and is left alone.

**What to do.** Let the liveness probe ask only whether the process itself works, or allow it three times as many failures.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.LivenessFailed,
	Run: func(p *diagnosis.Pass) {
		c := lasting(p)
		if c == nil || c.LivenessProbe == nil || c.ReadinessProbe == nil || !reflect.DeepEqual(c.LivenessProbe.ProbeHandler, c.ReadinessProbe.ProbeHandler) {
			return
		}
		live, ready := defaulted(c.LivenessProbe), defaulted(c.ReadinessProbe)
		if patience(live) >= 2*patience(ready) {
			return
		}
		failures := max(3*int32(patience(ready).Seconds())/live.PeriodSeconds, 6)
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("the liveness probe of container %s asks what its readiness probe asks, as impatiently: what should take it out of service restarts it", c.Name),
			Facts:      []evidence.Fact{cite(p, "livenessProbe", c.LivenessProbe.ProbeHandler), cite(p, "readinessProbe", c.ReadinessProbe.ProbeHandler)},
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Let the liveness probe of %s allow %d failures, or ask only about the process itself", c.Name, failures), Risk: diagnosis.Restart,
				Patch: p.PatchContainer(map[string]any{"livenessProbe": map[string]any{"failureThreshold": failures}}),
			}},
		})
	},
}
