// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SlowStart recognises a liveness probe that a slow start would not survive.
var SlowStart = &diagnosis.Rule{
	ID:    "PRB103",
	Title: "Liveness probe without a startup probe gives little time to start",
	Doc: `
Without a startup probe the liveness probe decides how long a start may take: initialDelaySeconds and failureThreshold times
periodSeconds. A start that takes longer on a busy node, with a cold cache or after a crash that has to be recovered from, is
ended, and begins again under the same load.

**How it is told from its look-alikes.** There is a liveness probe and no startup probe, and what the liveness probe allows is 30 seconds or less, as its
defaults are; of programs that are known to start slowly, those on a JVM and databases, less than two minutes.

**What to do.** Add a startupProbe that asks the same with enough failures: one and a half times the longest start that was
measured. It costs nothing once the program has started, and the liveness probe may stay quick.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.LivenessFailed,
	Run: func(p *diagnosis.Pass) {
		c := lasting(p)
		if c == nil || c.LivenessProbe == nil || c.StartupProbe != nil {
			return
		}
		given := patience(defaulted(c.LivenessProbe))
		least, why := starts(c)
		if given >= least {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("the liveness probe of container %s gives it %s to start, and there is no startup probe%s", c.Name, given, why),
			Facts:      []evidence.Fact{cite(p, "livenessProbe", c.LivenessProbe.ProbeHandler)},
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Give container %s a startup probe that asks the same for up to 5 minutes", c.Name), Risk: diagnosis.Restart,
				Patch: p.PatchContainer(map[string]any{"startupProbe": startsLike(c.LivenessProbe, false)}),
			}},
		})
	},
}

// defaulted returns a probe with what the API server fills in (pkg/apis/core/v1/defaults.go).
func defaulted(probe *corev1.Probe) *corev1.Probe {
	d := *probe
	if d.PeriodSeconds == 0 {
		d.PeriodSeconds = 10
	}
	if d.FailureThreshold == 0 {
		d.FailureThreshold = 3
	}
	if d.TimeoutSeconds == 0 {
		d.TimeoutSeconds = 1
	}
	return &d
}
