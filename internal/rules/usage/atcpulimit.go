// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// AtCPULimit recognises a container that is held back by its CPU limit.
var AtCPULimit = &diagnosis.Rule{
	ID:    "USE002",
	Title: "Container is held back by its CPU limit",
	Doc: `
The container has used up what its CPU limit allows, and for the rest of each tenth of a second it stands still (throttling): answers take longer, a start takes longer, and probes with tight time-outs fail, though the node has time to spare.

**How it is told from its look-alikes.** By usage of 95 % of the limit or more, averaged over the window of the metrics API; or, for short bursts, which are throttled with much lower averages, by the kubelet's count of periods, of which a quarter or more
were throttled since the container started. Where the node's agent samples it, by a quarter of the periods from some time of a run on until now or until it ended: it explains a probe that failed only where it began before that, and not
where the probe's failing was first. A run that ended more than an hour ago, or before the last one, says nothing about now. A container without a limit cannot be throttled. It is reported only where something follows from it.

**What to do.** Raise the limit or remove it and keep the request; give probes more time.

The limit is a quota in each period of 100 ms (kernel Documentation/scheduler/sched-bwc.rst). A quarter is where the alert CPUThrottlingHigh of kubernetes-mixin is.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Usage | evidence.Spec,
	Also:   evidence.Status | evidence.Events,
	Effect: diagnosis.Throttled,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		limit := c.Resources.Limits.Cpu()
		if limit.IsZero() {
			return
		}
		rose, late := trends(p, "cpu.throttled")
		for _, t := range rose {
			f := held(p, fmt.Sprintf("is held back (throttled) in %.0f%% of its periods by", 100*t.Value), nil)
			t.cite(p, &f)
			p.Report(f)
		}
		if says, facts := heldBack(p, limit.AsApproximateFloat64()); says != "" && len(rose) == 0 && !late {
			f := held(p, says, facts)
			f.At = cmp.Or(p.PodStatus().StartTime, &metav1.Time{}).Time // nothing says that it was ever different
			p.Report(f)
		}
	},
}

// held is the finding that the container's CPU limit holds it back.
func held(p *diagnosis.Pass, says string, facts []evidence.Fact) diagnosis.Finding {
	c := p.Spec()
	limit := c.Resources.Limits.Cpu()
	return diagnosis.Finding{
		Confidence: diagnosis.Likely, Facts: append(facts, p.CiteSpec("resources.limits.cpu", limit.String())),
		Message: fmt.Sprintf("container %s %s its CPU limit of %s", c.Name, says, limit.String()),
		Fixes: []diagnosis.Fix{{
			Title: fmt.Sprintf("Double the CPU limit of %s", c.Name), Risk: diagnosis.Restart,
			Patch: p.PatchContainer(map[string]any{"resources": map[string]any{"limits": map[string]any{"cpu": fmt.Sprintf("%dm", 2*limit.MilliValue())}}}),
		}},
	}
}

// throttledShare of its periods is what a container may be throttled in.
const throttledShare = 0.25

// heldBack says how the container's CPU limit, in processors, holds it back.
func heldBack(p *diagnosis.Pass, limit float64) (says string, facts []evidence.Fact) {
	if used, known := usedBy(p, corev1.ResourceCPU); known && used.Value >= nearShare*limit {
		says, facts = "is held back (throttled): it uses all of", append(facts, used)
	}
	for _, f := range p.Facts(evidence.Usage, "cpu.throttled") {
		if f.Value >= throttledShare && (f.About.Attempt == evidence.NoAttempt || about(p, f)) {
			return fmt.Sprintf("is held back (throttled) in %.0f%% of its periods by", 100*f.Value), append(facts, f)
		}
	}
	return says, facts
}
