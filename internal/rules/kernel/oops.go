// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Oops recognises a fault of the kernel's own.
var Oops = &diagnosis.Rule{
	ID:    "KRN002",
	Title: "Kernel hit a bug of its own",
	Doc: `
The kernel came to a state that its code excludes: it followed a bad pointer, divided by zero, ran into a BUG() or was
caught by one of its checkers (KASAN, KFENCE, UBSAN). The process in which that happened is killed in the kernel and may
leave locks held for ever, so that others hang on them; the node goes on and cannot be trusted.

**How it is told from its look-alikes.** By the first line of the report: "BUG: unable to handle", "kernel BUG at", "divide
error", "general protection fault", "Unable to handle kernel" and their like. A line "name[pid]: segfault at" or "traps:
name[pid]" tells of a program that crashed, which is no trouble of the kernel. A WARNING is a remark with a stack, after
which everything goes on. A lockup and a hung task are reports of waiting.

**What to do.** Look up the function and the module in the report: it is mostly a driver, a file system or a module that is
not the kernel's own. Restart the node and change the version of that.

The lines are written in arch/x86/kernel/traps.c, arch/x86/mm/fault.c, arch/arm64/mm/fault.c, lib/bug.c, mm/kasan/report.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.KernelFailed,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "kernel-oops")
		if len(facts) == 0 {
			return
		}
		who := ""
		if name := process(facts[0]); name != "" {
			who = ", in process " + name
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("the kernel of %s hit a bug of its own (kernel oops)%s: %s%s%s", nodeName(p), in(facts[0]), headline(facts[0]), who, times(facts)),
			Fixes: []diagnosis.Fix{
				reboot(p, ", which cannot be trusted since"),
				onNode("Look up the function and the module of the report, and change the version of the kernel or driver", "dmesg --level=emerg,alert,crit,err,warn"),
			},
		})
	},
}
