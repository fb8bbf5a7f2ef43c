// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PodLimit recognises a container that was killed because the pod as a whole was at its memory limit.
var PodLimit = &diagnosis.Rule{
	ID:    "MEM007",
	Title: "Pod exceeded the memory limit that its containers share",
	Doc: `
The pod has a memory limit of its own, or the sum of its containers' limits acts as one, and everything in it counts: all containers,
their page tables, and volumes of medium Memory. When it is reached the kernel kills the process that frees most, which
need not be the one that asked for more.

**How it is told from its look-alikes.** The kernel's record names the pod's cgroup, and not the container's, as the one at its
limit. Without the record, a container that was killed and has no limit of its own in a pod that has one was killed at that. A
container with a limit of its own in such a pod may have been at either; then the rule for the container's limit speaks.

**What to do.** Look at what all containers of the pod take together, and at its volumes in memory. Raise the pod's limit, or give the
container that grows a limit of its own so that it alone pays.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.MemoryMisfit, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != podLimit {
			return
		}
		f := diagnosis.Finding{
			At: d.Finished, Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{d.Fact()}, d.killFacts()...),
			Message: fmt.Sprintf("container %s was killed by the kernel because its pod as a whole was at its memory limit", d.Of.Container),
			Fixes:   []diagnosis.Fix{{Title: "Raise the pod's memory limit, or give the container that grows one of its own", Risk: diagnosis.Restart}},
		}
		if len(d.kills) > 0 {
			f.Confidence = diagnosis.Certain
		}
		if shared := sharedLimit(p); shared != nil {
			f.Message += of(shared)
			f.Facts = append(f.Facts, citeShared(p, shared))
		}
		d.unsure(&f)
		p.Report(f)
	},
}
