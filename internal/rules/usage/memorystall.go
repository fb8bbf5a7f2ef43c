// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// MemoryStall recognises a container that stands still because the kernel must find memory for it first.
var MemoryStall = &diagnosis.Rule{
	ID:    "USE004",
	Title: "Container stands still for want of memory",
	Doc: `
All of the container's processes waited for memory at the same time: at its limit the kernel takes page cache from it before each new page, and what is taken has to be read again. It answers late and misses its probes, and the OOM killer may
follow or not. It explains a probe that failed only where it began before that, as far as the node's agent tells since when it was so.

**How it is told from its look-alikes.** By the pressure that the kernel counts (PSI, memory, full): 2 % of the last minute or more. A container that is held back by its CPU limit has none. A working set close to the limit (USE001) without pressure
is no stall yet. It is reported only where something follows from it.

**What to do.** Raise the memory limit, or lower what the program keeps in memory.

The kernel averages over a minute (Documentation/accounting/psi.rst); the kubelet passes it on in /stats/summary. 0.02 seconds in each second is where published rules have it.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Usage,
	Also:   evidence.Spec | evidence.Status | evidence.Events,
	Effect: diagnosis.Throttled,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		rose, late := trends(p, "psi.memory.full")
		for _, t := range rose {
			f := stalled(p, fmt.Sprintf("up to %.0f%% of a minute", t.Value), nil)
			t.cite(p, &f)
			p.Report(f)
		}
		if stalls := pressed(p, "psi.memory.full"); len(stalls) > 0 && len(rose) == 0 && !late {
			p.Report(stalled(p, fmt.Sprintf("%.0f%% of the last minute", stalls[0].Value), stalls))
		}
	},
}

// stalled is the finding that the container stood still for so long.
func stalled(p *diagnosis.Pass, long string, facts []evidence.Fact) diagnosis.Finding {
	f := diagnosis.Finding{
		Confidence: diagnosis.Likely, Facts: facts,
		Message: fmt.Sprintf("container %s stood still for want of memory for %s", p.About().Container, long),
		Fixes:   []diagnosis.Fix{{Title: fmt.Sprintf("Raise the memory limit of %s, or lower what it keeps in memory", p.About().Container)}},
	}
	if limit := p.Spec().Resources.Limits.Memory(); !limit.IsZero() {
		f.Facts = append(f.Facts, p.CiteSpec("resources.limits.memory", limit.String()))
	}
	return f
}
