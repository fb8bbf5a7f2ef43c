// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ChildOOMKilled recognises a container in which the kernel killed another process than the main one for memory.
var ChildOOMKilled = &diagnosis.Rule{
	ID:    "MEM002",
	Title: "A child process exceeded the container's memory limit",
	Doc: `
The kernel killed a process in the container at its memory limit, and that was not the main process: that one went on and
ended later with an exit code of its own, usually because it missed its child. The runtime reports the reason OOMKilled, or
only Error, with an exit code other than 137.

**How it is told from its look-alikes.** With exit code 137 the main process itself was killed. With 0 or 143 the label
proves little: the runtime takes it from a counter that only rises, so a child that was killed and survived long before
colours a proper end too; then this rule stays silent. Because of that counter the finding is likely and not certain unless the
kernel's record of that run is at hand, and only possible where the kubelet had ordered the container to stop. Where a runtime does not look and the kernel's log is not at
hand, the count of the container's control group, which the node's agent reads, tells that a process was killed in the seconds of the
end. A child that was killed more than a minute before is not what the main process ended for. Where the record says that it was for the node's memory, and not at a limit, the message does too.

**What to do.** The limit holds for all processes of the container together: give the workers less to do at once, or raise
the limit. The log around the end tells which child was lost.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host | evidence.Usage,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.MemoryMisfit, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != childKilled {
			return
		}
		f := diagnosis.Finding{
			At: d.Finished, Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{d.Fact()}, d.killFacts()...),
			Message: fmt.Sprintf("a child process in container %s was killed by the kernel for memory, and the main process ended with exit code %d", d.Of.Container, d.ExitCode),
		}
		k, told := d.victim()
		if d.limit != nil && k.level() <= ofPod {
			f.Message = fmt.Sprintf("a child process in container %s was killed by the kernel at the memory limit of %s, and the main process ended with exit code %d", d.Of.Container, d.limit, d.ExitCode)
			withLimit(p, &f, d.limit)
		}
		if told {
			f.Confidence = diagnosis.Certain
			f.Message += fmt.Sprintf("; the child was %s", k.task)
		}
		d.citeCount(&f)
		if d.ordered {
			f.Confidence = diagnosis.Possible
			f.Against = append(f.Against, d.order.Event.Fact())
		}
		d.unsure(&f)
		p.Report(f)
	},
}
