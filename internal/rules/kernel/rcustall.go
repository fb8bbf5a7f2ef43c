// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RCUStall recognises that a processor has not passed through a quiet state for long.
var RCUStall = &diagnosis.Rule{
	ID:    "KRN004",
	Title: "RCU stall",
	Doc: `
The kernel waits for every processor to pass a point at which it holds no reference (a grace period of read-copy-update),
and one has not for 21 s or more (rcupdate.rcu_cpu_stall_timeout). Memory that should be freed is not, and whoever waits for the grace
period, such as the removal of a network device or a mount, stands.

**How it is told from its look-alikes.** By "rcu … detected stall". A soft lockup is reported by another watchdog and mostly
comes with it; a hung task may be waiting for this. "rcu: … kthread starved" near it says that RCU's own thread was not run, because the processor was busy with
something of a higher priority: real-time tasks, or a hypervisor that did not run it.

**What to do.** As with a lockup: steal time first, then the function on the stack, then processes with real-time priority.

The line is written in kernel/rcu/tree_stall.h; see Documentation/RCU/stallwarn.rst.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.KernelFailed,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "rcu-stall")
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("a processor of %s has stalled the kernel's RCU%s%s: what waits for it hangs", nodeName(p), in(facts[0]), times(facts)),
			Fixes: []diagnosis.Fix{
				onNode("See whether the hypervisor takes the processors away (column st)", "vmstat 1 5"),
				reboot(p, " if it goes on"),
			},
		})
	},
}
