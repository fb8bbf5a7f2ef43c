// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// AlreadyDead recognises a container whose first process was gone before it was let run.
var AlreadyDead = &diagnosis.Rule{
	ID:    "CRT010",
	Title: "Process of the container died while it was started",
	Doc: `
The runtime made the container, and when it gave the word to run, its first process was dead already. Something killed
it in between: the kernel for memory, a node under pressure, an agent that hooks into starting containers; or the
runtime was stuck for so long that it was cleaned up.

**How it is told from its look-alikes.** By "container process is already dead" (runc) or "is not in 'created' state"
(crun). The program of the image never ran, so its log is empty and no exit code is its own. A program that ends at once
has a run with a code and a time.

**What to do.** Look at the kernel log of the node for that second, and at its memory. Raise a memory limit of a few
MiB. Where it happens to many containers, it is the node.

The wording is runc's (libcontainer/container_linux.go, exec).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{
		diagnosis.OutOfMemory, diagnosis.NodePressure, diagnosis.RuntimeFailed, diagnosis.KernelFailed,
		diagnosis.NodeSaturated,
	},
	Run: onAny(func(r *refusal) bool { why := classify(r.text); return why == dead || why == memory && !r.made }, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		if c := p.Spec(); !c.Resources.Limits.Memory().IsZero() {
			r.facts = append(r.facts, p.CiteSpec("resources.limits.memory", c.Resources.Limits.Memory()))
		}
		return fmt.Sprintf("the first process of container %s was killed on node %s before its program could run", p.About().Container, p.NodeName()),
			[]diagnosis.Fix{{Title: fmt.Sprintf("Look in the kernel log of node %s for what killed it, and at the memory limit if that is a few MiB", p.NodeName()), Command: "dmesg -T | tail -50"}}
	}),
}
