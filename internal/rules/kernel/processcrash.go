// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// ProcessCrash recognises that a program crashed, as the kernel saw it.
var ProcessCrash = &diagnosis.Rule{
	ID:    "KRN017",
	Title: "A process crashed on the node",
	Doc: `
A program used memory that it does not have, or ran an instruction that there is not, and the kernel ended it with a signal: SIGSEGV (exit code 139), SIGBUS, SIGILL, SIGFPE or,
where it was built to give up by a trap, SIGTRAP. The record names the program and the library in which it happened; if it was the main process of a container, that container ended with it.

**How it is told from its look-alikes.** "name[pid]: segfault at" and "traps: name[pid]" are about a program; the kernel is well. "BUG: unable to handle" and
"general protection fault" without a name before them are about the kernel. A process that aborts itself (SIGABRT) leaves no such record.

**What to do.** Find the container by the name of the program, and look at its log and at what changed in it. In libnccl: look at versions of NCCL, driver and the
network between nodes.

The lines are written in arch/x86/mm/fault.c and arch/x86/kernel/traps.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.ProcessFailed,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "segfault")
		if ends := endsOn(p); ends != nil { // of another container, unless one ended then
			facts = slices.DeleteFunc(facts, func(f evidence.Fact) bool { return !f.At.IsZero() && !nearOne(*ends, f.At, atOnce) })
		}
		if len(facts) == 0 {
			return
		}
		names := distinct(facts, crashed)
		place := ""
		if libs := distinct(facts, library); len(libs) > 0 {
			place = " in " + strings.Join(libs, ", ")
		}
		fix := onNode("Find the container that runs it, and look at its log and at what changed", "coredumpctl list")
		if strings.Contains(place, "libnccl") {
			fix = onNode("Compare the versions of NCCL, CUDA and the driver on all nodes of the job", "nvidia-smi; NCCL_DEBUG=INFO")
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("process %s crashed on %s%s%s (%s): the fault is the program's and not the kernel's", strings.Join(names, ", "), nodeName(p), place, times(facts), sortOf(facts[0])),
			Fixes:   []diagnosis.Fix{fix},
		})
	},
}

var (
	crasher   = regex.New(`(?:traps: )?([^\s:\[\]][^:\[\]]*)\[\d+\]`)
	inLibrary = regex.New(` in ([A-Za-z0-9._+-]+)\[`)
)

func crashed(f evidence.Fact) string { return strings.TrimPrefix(matched(crasher, f), "traps: ") }

func library(f evidence.Fact) string { return matched(inLibrary, f) }

// sortOf says of what a process died.
func sortOf(f evidence.Fact) string {
	switch {
	case strings.Contains(f.Text, "invalid opcode"):
		return "an instruction that the processor does not have, SIGILL"
	case strings.Contains(f.Text, "divide error"):
		return "a division by zero, SIGFPE"
	case strings.Contains(f.Text, "trap int3"):
		return "a trap that it ran into, SIGTRAP"
	}
	return "segmentation fault, SIGSEGV"
}

// atOnce is how soon after its record a container ends whose first process crashed.
const atOnce = 5 * time.Second
