// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SlowDependency recognises a program that timed out waiting for a Service with ready endpoints.
var SlowDependency = &diagnosis.Rule{
	ID:    "DEP012",
	Title: "Dependency does not answer in time though it is ready",
	Doc: `
The program called a Service, waited, and gave up. The Service has the port and ready endpoints, and no network policy is in the way:
the dependency is overloaded or slow, or packets are lost on the way to it.

**How it is told from its look-alikes.** A time-out, not a refusal, from a Service that is known to be in order. Without ready endpoints, with the wrong
port or with a policy that forbids it other rules speak. Trouble of the pods behind the Service, throttling above all, is
looked for and told as the reason.

**What to do.** Look at the CPU and the latency of the pods behind the Service, then at the network between the nodes.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status,
	Also:   evidence.Logs | evidence.Spec,
	Effect: diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{
		diagnosis.Throttled, diagnosis.NodeSaturated, diagnosis.NodePressure, diagnosis.NetworkFailed, diagnosis.NodeLost, diagnosis.OutOfMemory,
		diagnosis.ProcessFailed, diagnosis.LivenessFailed, diagnosis.Hung, diagnosis.Killed, diagnosis.DependencyDown,
	},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != slow {
			return
		}
		f := c.finding(p, "it did not answer in time, though its endpoints are ready and no network policy is known to forbid it")
		f.Facts = append(f.Facts, c.slices.facts...)
		f.Through = refsOf(c.pods)
		f.Fixes = []diagnosis.Fix{{
			Title: "Look at the load and the latency of the pods behind " + c.what() + ", and at the network between the nodes", Command: fmt.Sprintf("kubectl -n %s top pods", c.service.Namespace),
		}}
		p.Report(f)
	},
}
