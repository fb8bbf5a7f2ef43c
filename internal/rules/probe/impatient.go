// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Impatient recognises a liveness probe that one slow answer fails.
var Impatient = &diagnosis.Rule{
	ID:    "PRB105",
	Title: "Liveness probe is too impatient",
	Doc: `
One slow answer is enough to have the container restarted: failureThreshold is 1, or a command has the default of one second to
run, in which a busy node may not even start it. Garbage collection, throttling and a cold page cache each take longer.

**How it is told from its look-alikes.** It is about the liveness probe, whose failure ends the container. An impatient readiness probe only
takes the pod out of its Service for a while. An HTTP probe with a time-out of one second and three tries is the default, and is left alone.

**What to do.** Allow three failures, and give a command five seconds; or ask over HTTP, TCP or gRPC, which starts no process.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.LivenessFailed,
	Run: func(p *diagnosis.Pass) {
		c := lasting(p)
		if c == nil || c.LivenessProbe == nil {
			return
		}
		probe := defaulted(c.LivenessProbe)
		f := diagnosis.Finding{Confidence: diagnosis.Possible}
		switch {
		case probe.FailureThreshold == 1:
			f.Message = fmt.Sprintf("one failure of the liveness probe restarts container %s", c.Name)
			f.Facts = []evidence.Fact{p.CiteSpec("livenessProbe.failureThreshold", 1)}
			f.Fixes = []diagnosis.Fix{{
				Title: fmt.Sprintf("Allow the liveness probe of %s three failures", c.Name), Risk: diagnosis.Restart,
				Patch: p.PatchContainer(map[string]any{"livenessProbe": map[string]any{"failureThreshold": 3}}),
			}}
		case probe.Exec != nil && probe.TimeoutSeconds <= 1:
			f.Message = fmt.Sprintf("the command of the liveness probe of container %s has 1s to run, its start included", c.Name)
			f.Facts = []evidence.Fact{cite(p, "livenessProbe", probe.ProbeHandler)}
			f.Fixes = []diagnosis.Fix{{
				Title: fmt.Sprintf("Give the liveness probe of %s 5s instead of 1s to answer", c.Name), Risk: diagnosis.Restart,
				Patch: p.PatchContainer(map[string]any{"livenessProbe": map[string]any{"timeoutSeconds": 5}}),
			}}
		default:
			return
		}
		p.Report(f)
	},
}
