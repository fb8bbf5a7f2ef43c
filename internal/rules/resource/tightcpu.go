// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// TightCPU recognises a CPU limit under which probes time out.
var TightCPU = &diagnosis.Rule{
	ID:    "RES106",
	Title: "CPU limit is too small for a probe",
	Doc: `
With a CPU limit of a tenth of a processor the container runs 10 ms of every 100 ms, and waits for the rest. A start that takes a
second of CPU time takes ten, and a probe with a time-out of a second fails though nothing is wrong with the program.

**How it is told from its look-alikes.** The limit is below 100m and the container has a liveness or a startup probe. Without a probe it is only slow.

**What to do.** Remove the CPU limit and keep the request, or give it at least half a processor.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.Throttled,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		limit := c.Resources.Limits.Cpu()
		if limit.IsZero() || limit.MilliValue() >= 100 || c.LivenessProbe == nil && c.StartupProbe == nil {
			return
		}
		p.Report(finding(p, "limits.cpu", limit.String(), fmt.Sprintf("Remove the CPU limit of container %s, or raise it to 500m", c.Name),
			"container %s may use %s of a processor: it starts and answers its probes many times slower", c.Name, limit.String()))
	},
}
