// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// AtCPULimit recognises a container that is held back by its CPU limit.
var AtCPULimit = &diagnosis.Rule{
	ID:    "USE002",
	Title: "Container uses all of its CPU limit",
	Doc: `
The container uses as much processor time as its limit allows. For the rest of each tenth of a second it stands still (throttling): answers take longer, a start takes longer, and probes with tight time-outs fail, though the node has time to spare.

**How it is told from its look-alikes.** By usage of 95 % of the limit or more, averaged over the window of the metrics API. A container without a limit cannot be throttled. Short bursts are throttled with much lower averages, which only
container_cpu_cfs_throttled_periods_total shows. It is reported only where something follows from it.

**What to do.** Raise the limit or remove it and keep the request; give probes more time.

The limit is a quota in each period of 100 ms (kernel Documentation/scheduler/sched-bwc.rst).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Usage | evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.Throttled,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		c, used := p.Spec(), usedBy(p)
		if used == nil {
			return
		}
		limit, uses := c.Resources.Limits.Cpu(), used.Usage.Cpu()
		if limit.IsZero() || float64(uses.MilliValue()) < nearShare*float64(limit.MilliValue()) {
			return
		}
		began := cmp.Or(p.PodStatus().StartTime, &metav1.Time{})
		p.Report(diagnosis.Finding{
			At:         began.Time, // nothing says that it was ever different
			Confidence: diagnosis.Likely, Facts: []evidence.Fact{citeUsage(p, "cpu", uses), p.CiteSpec("resources.limits.cpu", limit.String())},
			Message: fmt.Sprintf("container %s uses all of its CPU limit of %s and is held back by it (throttled)", c.Name, limit.String()),
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Double the CPU limit of %s", c.Name), Risk: diagnosis.Restart,
				Patch: p.PatchContainer(map[string]any{"resources": map[string]any{"limits": map[string]any{"cpu": fmt.Sprintf("%dm", 2*limit.MilliValue())}}}),
			}},
		})
	},
}
