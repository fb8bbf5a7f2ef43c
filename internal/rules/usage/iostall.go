// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// DiskStall recognises a container that stands still because it waits for disks.
var DiskStall = &diagnosis.Rule{
	ID:    "USE005",
	Title: "Container stands still while it waits for disks",
	Doc: `
All of the container's processes waited for reads or writes at the same time: the disk below a volume or below the node is slow, or limited to fewer operations than are asked of it. The program answers late and its probes fail, though it is
well and has processors and memory to spare.

**How it is told from its look-alikes.** By the pressure that the kernel counts (PSI, io, full), 2 % of a minute or more, in the run in question, as the node's agent sampled it. It explains a probe that failed only where it began before that: what
began later is told nowhere. Page cache that a memory limit keeps taking away has to be read again and counts for both: where memory stalls (USE004) began before it, that is the cause. It is reported only where something follows from it.

**What to do.** Compare the latency and the operations of the volume's disk with what it is allowed, and look for who else writes to it. Give probes more time than the disk needs for one answer.

The kernel averages over a minute (Documentation/accounting/psi.rst).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Usage,
	Also:   evidence.Status | evidence.Events,
	Effect: diagnosis.Throttled,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		waits, _ := trends(p, "psi.io.full")
		stalls, _ := trends(p, "psi.memory.full")
		for _, w := range waits {
			if first(stalls, w) {
				continue
			}
			f := diagnosis.Finding{
				Confidence: diagnosis.Likely,
				Message:    fmt.Sprintf("container %s stood still for up to %.0f%% of a minute while it waited for disks,", p.About().Container, w.Value),
				Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Compare the latency of the disks below the volumes of %s and of its node with what they are allowed", p.About().Container)}},
			}
			w.cite(p, &f)
			p.Report(f)
		}
	},
}

// first tells whether one of the trends was there before another one, in the same run.
func first(trends []trend, other trend) bool {
	for _, t := range trends {
		if t.About == other.About && !t.At.After(other.At) {
			return true
		}
	}
	return false
}
