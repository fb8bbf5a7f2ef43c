// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// OOMKilled recognises a container whose main process the kernel killed at the container's own memory limit.
var OOMKilled = &diagnosis.Rule{
	ID:    "MEM001",
	Title: "Container exceeded its memory limit",
	Doc: `
The container's processes asked for more memory than its limit allows, and the kernel killed the main process with
SIGKILL. The runtime saw the kill in the container's cgroup and reports exit code 137 with the reason OOMKilled.

**How it is told from its look-alikes.** Exit code 137 alone says only SIGKILL: a failed liveness probe, a deletion and
a stranger's kill -9 end with it too, and then the reason is Error. OOMKilled with another exit code is left to other
rules: the runtime's counter covers child processes and earlier kills, so the label may be wrong. Without a memory limit
the container cannot have exceeded one: then the node or the pod ran out. A SystemOOM Event of the node in the same run
speaks against the container's own limit, and so does a memory limit of the pod that several containers share: the
finding is only likely then. The label comes from a counter that a child's earlier kill raises, too: where the kubelet
ordered the container to stop and its grace period had passed, SIGKILL was the kubelet's, and the finding is only possible.

**What to do.** Compare the limit with what the program needs at its peak. Raise the limit if the need is real; look for
a leak if each run takes about the same time to die. A runtime with a heap of its own (JVM, Node.js) needs a heap setting
below the limit.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		a, c := p.Attempt(), p.Spec()
		if a.Reason != "OOMKilled" || a.ExitCode != 137 || c == nil || c.Resources.Limits.Memory().IsZero() {
			return
		}
		limit := c.Resources.Limits.Memory()
		f := diagnosis.Finding{
			Confidence: diagnosis.Certain,
			Message:    fmt.Sprintf("container %s was killed by the kernel at its memory limit of %s", a.Of.Container, limit),
			Facts:      []evidence.Fact{a.Fact(), p.CiteSpec("resources.limits.memory", limit)},
			Fixes:      []diagnosis.Fix{raise(p, limit)},
		}
		for _, e := range p.NodeEvents("SystemOOM") {
			if !e.Last.Before(a.Started) && !e.First.After(a.Finished) {
				f.Confidence = diagnosis.Likely
				f.Against = append(f.Against, e.Fact())
			}
		}
		if shared := p.PodSpec().Resources; shared != nil && !shared.Limits.Memory().IsZero() && len(p.PodSpec().Containers) > 1 {
			f.Confidence = diagnosis.Likely
			f.Against = append(f.Against, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: a.Of.Object(),
				Where: "spec.resources.limits.memory", Text: "memory " + shared.Limits.Memory().String(),
			})
		}
		if order, ordered := p.Order(); ordered && order.GraceExpired(a) {
			f.Confidence = diagnosis.Possible
			f.Against = append(f.Against, order.Event.Fact())
		}
		p.Report(f)
	},
}

// raise proposes what the vertical pod autoscaler gives a container after it ran out of memory: a fifth more, at least
// 100 MiB (kubernetes/autoscaler, OOMBumpUpRatio and OOMMinBumpUp).
func raise(p *diagnosis.Pass, limit *resource.Quantity) diagnosis.Fix {
	const mib = 1 << 20
	bytes := max(limit.Value()+limit.Value()/5, limit.Value()+100*mib)
	to := fmt.Sprintf("%dMi", (bytes+mib-1)/mib)
	return diagnosis.Fix{
		Title: fmt.Sprintf("Raise the memory limit of %s from %s to %s, and look for a leak if it dies again", p.About().Container, limit, to),
		Risk:  diagnosis.Restart,
		Patch: p.PatchContainer(map[string]any{"resources": map[string]any{"limits": map[string]any{"memory": to}}}),
	}
}
