// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// EndedWell recognises a container that ended with exit code 0 and is marked OOMKilled.
var EndedWell = &diagnosis.Rule{
	ID:    "MEM004",
	Title: "Container completed although a process of it was killed for memory",
	Doc: `
A process of the container was killed at its memory limit, the main process survived that, and ended with exit code 0. The kubelet
shows the reason OOMKilled and, where it is not to be restarted, the phase Succeeded: the work may be incomplete although
everything says that it is done (kubernetes issue 131530).

**How it is told from its look-alikes.** Exit code 0 with the reason OOMKilled. Where the kubelet had ordered the container to
stop, 0 is its answer to SIGTERM and the label is an old one; where the kernel's log covers the run and has no kill, the
label is false: another rule says both. The label comes from a counter that only rises, so that without the kernel's record the
finding is only likely.

**What to do.** Check what the program did after it lost the child: whether the output is complete. Let it end with an error then.
Raise the limit or give the children less at once.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.MemoryMisfit, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != endedWell {
			return
		}
		f := diagnosis.Finding{
			At: d.Finished, Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{d.Fact()}, d.killFacts()...),
			Message: fmt.Sprintf("a child process in container %s was killed for memory, and the main process ended with exit code 0 all the same: its work may be incomplete", d.Of.Container),
		}
		if len(d.kills) > 0 {
			f.Confidence = diagnosis.Certain
		}
		withLimit(p, &f, d.limit)
		d.unsure(&f)
		p.Report(f)
	},
}
