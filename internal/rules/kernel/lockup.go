// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Lockup recognises a processor that does not get out of the kernel.
var Lockup = &diagnosis.Rule{
	ID:    "KRN003",
	Title: "Processor is locked up",
	Doc: `
A processor has run in the kernel without letting anything else on it run (soft lockup: for twice kernel.watchdog_thresh,
about 20 s), without even taking interrupts (hard lockup), or a queue of kernel work has stood still (workqueue lockup).
What runs there stands: probes time out, leases are renewed late, the node seems dead for moments.

**How it is told from its look-alikes.** By the watchdog's line, which names the processor, how long and the process. A hung
task sleeps and does not burn a processor. An RCU stall is the same trouble seen from elsewhere. The process named is
mostly the victim: it was in the kernel when time stood still.

**What to do.** On a virtual machine, look at steal time first: a hypervisor that takes the processor away for seconds looks just
like this, and then nothing is wrong inside. Else the function names the driver or the lock that is fought for. A node
with far too many runnable processes comes here too.

The lines are written in kernel/watchdog.c, kernel/watchdog_perf.c and kernel/workqueue.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.KernelFailed,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "soft-lockup", "hard-lockup")
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: locked(p, facts),
			Fixes: []diagnosis.Fix{
				onNode("See whether the hypervisor takes the processors away (column st)", "vmstat 1 5"),
				reboot(p, " if it goes on"),
			},
		})
	},
}

var stuckFor = regex.New(`CPU#(\d+) stuck for (\d+)s`)

func locked(p *diagnosis.Pass, facts []evidence.Fact) string {
	first := facts[0]
	who := ""
	if name := process(first); name != "" {
		who = " in process " + name
	}
	what := "a processor of " + nodeName(p) + " is locked up in the kernel (hard lockup)"
	if m := stuckFor.FindStringSubmatch(first.Text); m != nil {
		what = fmt.Sprintf("processor %s of %s was stuck in the kernel for %s s (soft lockup)", m[1], nodeName(p), m[2])
	} else if strings.Contains(first.Text, "workqueue") {
		what = "a queue of kernel work of " + nodeName(p) + " stands still (workqueue lockup)"
	}
	return what + who + in(first) + times(facts)
}
