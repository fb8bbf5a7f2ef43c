// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// HeapMisfit recognises a heap setting that does not fit the memory limit that a container died at.
var HeapMisfit = &diagnosis.Rule{
	ID:    "MEM013",
	Title: "Heap setting of the runtime does not fit the memory limit",
	Doc: `
A JVM or Node.js program is told how large its heap may be, and uses memory beside it: classes, compiled code, the stacks of threads,
buffers, its own code. All of that counts against the container's limit. A heap that may be as large as the limit, or nearly, makes
the kernel kill the process before the runtime sees any reason to collect garbage.

**How it is told from its look-alikes.** The container was killed at its own limit, and its command line or environment says how
large the heap may be. Where that leaves less than a fifth of the limit, or less than 128Mi of a small one, the setting is the reason.
Where the heap is well below the limit and the container was killed all the same, what grew is outside the heap. A
runtime that ended by itself because its heap was full was not killed, and has a rule of its own; one with no setting takes a share
of the limit that it sees, which fits.

**What to do.** Set the heap to about three quarters of the limit at most: -XX:MaxRAMPercentage=70 follows the limit. For
memory outside the heap look at MaxDirectMemorySize, MaxMetaspaceSize and the number of threads (-Xss each); NativeMemoryTracking
shows who takes it.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host | evidence.Usage,
	Effect:   diagnosis.MemoryMisfit,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != ownLimit || d.limit == nil {
			return
		}
		limit := d.limit.Value()
		h, ok := heapOf(specOf(p), limit)
		if !ok {
			return
		}
		f := diagnosis.Finding{
			At: d.Started, Confidence: diagnosis.Likely,
			Facts: []evidence.Fact{h.cite(p), p.CiteSpec("resources.limits.memory", d.limit), d.Fact()},
			Fixes: []diagnosis.Fix{
				roomFor(p, h.bytes, limit),
				{Title: fmt.Sprintf("Set the heap to %dMi at most", limit*3/4>>20), Risk: diagnosis.Restart},
			},
		}
		switch room := limit - h.bytes; {
		case room <= 0:
			f.Message = fmt.Sprintf("the heap of the %s in container %s may grow to %s, which is the memory limit of %s or more", h.runtime, d.Of.Container, mebibytes(h.bytes>>10), d.limit)
		case room < max(limit/5, leastRoom):
			f.Message = fmt.Sprintf("the heap of the %s in container %s may grow to %s, which leaves %s of its limit of %s for all else", h.runtime, d.Of.Container, mebibytes(h.bytes>>10), mebibytes(room>>10), d.limit)
		default:
			f.Confidence = diagnosis.Possible
			f.Message = fmt.Sprintf("the heap of the %s in container %s ends at %s, far below its limit of %s: what grew is outside the heap", h.runtime, d.Of.Container, mebibytes(h.bytes>>10), d.limit)
			f.Fixes = []diagnosis.Fix{{Title: "Limit what is outside the heap: direct buffers, Metaspace, the number of threads; NativeMemoryTracking shows who takes it"}}
		}
		d.unsure(&f)
		p.Report(f)
	},
}

// leastRoom is what a JVM needs beside its heap even for a small program: Metaspace, code cache, stacks and its own code.
const leastRoom = 128 << 20

// roomFor raises the memory limit so far that the heap fits in with what a JVM needs beside it: a quarter more, and at
// least that.
func roomFor(p *diagnosis.Pass, heap, limit int64) diagnosis.Fix {
	to := fmt.Sprintf("%dMi", (max(heap, limit)+max(heap/4, leastRoom))>>20)
	return diagnosis.Fix{
		Title: fmt.Sprintf("Raise the memory limit of %s to %s, in which the heap has room", p.About().Container, to), Risk: diagnosis.Restart,
		Patch: p.PatchContainer(map[string]any{"resources": map[string]any{"limits": map[string]any{"memory": to}}}),
	}
}
