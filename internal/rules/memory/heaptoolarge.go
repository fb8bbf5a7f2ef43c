// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// HeapTooLarge recognises a heap setting that does not fit the memory limit.
var HeapTooLarge = &diagnosis.Rule{
	ID:    "MEM101",
	Title: "Heap setting leaves no room below the memory limit",
	Doc: `
A JVM or Node.js program is told how large its heap may be, and uses memory beside it: classes, compiled code, the stacks of threads, buffers. All of that counts against
the container's limit. The kernel kills it before the runtime sees any reason to collect garbage.

**How it is told from its look-alikes.** The command line or a variable says how large the heap may be, and that leaves less than a fifth of the limit, or less than 128Mi of
a small one. The same is told of a container that died of it.

**What to do.** Set the heap to about three quarters of the limit at most: -XX:MaxRAMPercentage=70 follows the limit.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.OutOfMemory,
	Run: func(p *diagnosis.Pass) {
		limit := anyLimit(p)
		h, ok := heapOf(specOf(p), limit)
		if limit == 0 || !ok || limit-h.bytes >= max(limit/5, leastRoom) {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message: fmt.Sprintf("the heap of the %s in container %s may grow to %s, which leaves %s of its limit of %s for all else",
				h.runtime, p.About().Container, mebibytes(h.bytes>>10), mebibytes(max(limit-h.bytes, 0)>>10), mebibytes(limit>>10)),
			Facts: []evidence.Fact{h.cite(p)},
			Fixes: []diagnosis.Fix{{Title: fmt.Sprintf("Set the heap to %dMi at most, or raise the memory limit of %s", limit*3/4>>20, p.About().Container), Risk: diagnosis.Restart}},
		})
	},
}
