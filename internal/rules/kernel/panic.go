// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Panic recognises a kernel that gave up.
var Panic = &diagnosis.Rule{
	ID:    "KRN020",
	Title: "Kernel panicked",
	Doc: `
The kernel found that it could not go on and stopped the node at once: every container on it is gone without a word. With
kernel.panic set it restarts after so many seconds, else the machine stands until somebody turns it off and on.

**How it is told from its look-alikes.** By the line "Kernel panic - not syncing", which names the reason. An oops, a
lockup or a hung task is not a panic by itself: they become one where a setting says so (kernel.panic_on_oops,
kernel.hung_task_panic, kernel.softlockup_panic, kernel.panic_on_warn, vm.panic_on_oom), and then the panic follows from
them where the log still has them. A restart without this line is one by order, by the hypervisor or a loss of power.

**What to do.** Keep the whole report (kdump, the console, pstore). What the reason names is what to repair: a driver, a disk,
a lack of memory. Restart the node, and hold back the kernel or driver version that brought this.

The line is written in kernel/panic.c.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host,
	Also:     evidence.Spec | evidence.Status,
	Effect:   diagnosis.KernelFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.DeviceFailed, diagnosis.OutOfMemory},
	Run: func(p *diagnosis.Pass) {
		for _, panicked := range records(p, "kernel-panic") {
			before := led(p, panicked)
			f := diagnosis.Finding{
				At: panicked.At, Confidence: diagnosis.Certain, Facts: append([]evidence.Fact{panicked}, before...),
				Message: fmt.Sprintf("the kernel of %s panicked%s: everything on it ended%s", nodeName(p), why(panicked), after(before)),
				Fixes: []diagnosis.Fix{
					onNode("Restart the node, and keep the kernel's report: kdump, pstore, the console of the cloud provider", "journalctl -k -b -1"),
				},
			}
			p.Report(f)
			return
		}
	},
}

// settings say by which setting trouble of a sort becomes a panic.
var settings = []struct{ part, means string }{
	{"hung_task: blocked tasks", " because tasks were hung (kernel.hung_task_panic)"},
	{"softlockup: hung tasks", " because a processor was locked up (kernel.softlockup_panic)"},
	{"RCU Stall", " because of an RCU stall (kernel.panic_on_rcu_stall)"},
	{"ard LOCKUP", " because a processor was locked up with interrupts off (kernel.hardlockup_panic)"},
	{"panic_on_warn set", " at a kernel warning (kernel.panic_on_warn)"},
	{"Attempted to kill init", " because process 1 of the machine ended"},
	{"Attempted to kill the idle task", " because of an oops in the idle task"},
	{"Fatal exception", " because of an oops"},
	{"panic_on_oom", " because memory ran out (vm.panic_on_oom)"},
	{"ut of memory", " because memory ran out"},
	{"System is deadlocked on memory", " because memory ran out and nothing was left to kill"},
	{"Unable to mount root fs", " because it could not mount the root file system"},
	{"No working init found", " because there is no init program to start"},
	{"Fatal machine check", " because of a hardware error"},
	{"Fatal hardware error", " because of a hardware error"},
	{"sysrq triggered crash", " by order (sysrq)"},
}

func why(f evidence.Fact) string {
	_, reason, _ := strings.Cut(headline(f), "yncing")
	reason = strings.TrimLeft(reason, ": ")
	for _, s := range settings {
		if strings.Contains(reason, s.part) {
			return s.means
		}
	}
	return strings.TrimSuffix(" ("+reason+")", " ()")
}

// led returns the last reports before the panic that can have led to it.
func led(p *diagnosis.Pass, panicked evidence.Fact) []evidence.Fact {
	var before []evidence.Fact
	for _, f := range records(p, "kernel-panic", "kernel-oops", "soft-lockup", "hard-lockup", "rcu-stall", "hung-task", "kernel-warning", "mce", "boot") {
		switch {
		case f == panicked:
			return slices.Clone(before[max(len(before)-2, 0):])
		case f.Name == "boot":
			before = nil
		default:
			before = append(before, f)
		}
	}
	return before
}

func after(before []evidence.Fact) string {
	if len(before) == 0 {
		return ""
	}
	last := before[len(before)-1]
	return ", after: " + headline(last) + in(last)
}
