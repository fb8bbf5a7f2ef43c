// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// InnocentVictim recognises a container that was killed at the limit of what the node has for pods.
var InnocentVictim = &diagnosis.Rule{
	ID:    "MEM008",
	Title: "Container was killed because all pods of the node together took too much",
	Doc: `
The kubelet limits all pods of the node together to the node's allocatable memory. When that is reached the kernel kills a process of
some pod, by size and by the pod's quality of service: the victim may be far below its own limit, and another pod is the one that
grew.

**How it is told from its look-alikes.** The kernel's record names the cgroup kubepods, or that of a QoS class, as the one at its
limit. The status shows the same OOMKilled and 137 as for the container's own limit, and only the record tells. A node
that has no memory left for anything, and not only for pods, has no cgroup in the record. Where the node's agent sampled the victim it is
told whether it had grown itself, and of the node which containers grew most in the minute before.

**What to do.** Do not raise the victim's limit. Look for the process that held most, which the message names where the kernel listed it;
give pods requests that are near to what they take, so that the scheduler does not put too many on one node.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host | evidence.Usage,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.NodePressure, diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != allPods {
			return
		}
		f := diagnosis.Finding{
			At: d.Finished, Confidence: diagnosis.Certain, Facts: append([]evidence.Fact{d.Fact()}, d.killFacts()...),
			Message: fmt.Sprintf("container %s was killed because all pods of node %s together were at their memory limit, not because of its own", d.Of.Container, p.NodeName()),
			Fixes:   []diagnosis.Fix{{Title: "Give the pods of the node memory requests near to what they take, or move the largest away", Command: "kubectl top pods -A --sort-by=memory"}},
		}
		if d.limit != nil {
			f.Facts = append(f.Facts, p.CiteSpec("resources.limits.memory", d.limit))
			k := d.kills[len(d.kills)-1]
			f.Message += fmt.Sprintf(": it held %s of %s", mebibytes(k.anon+k.shmem+k.file), d.limit)
		}
		d.unsure(&f)
		d.victimOf(p, &f)
		name(&f, grower(p, d.Finished))
		p.Report(f)
	},
}
