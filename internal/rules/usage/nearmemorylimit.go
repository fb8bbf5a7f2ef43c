// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NearMemoryLimit recognises a container that is about to be killed for memory.
var NearMemoryLimit = &diagnosis.Rule{
	ID:    "USE001",
	Title: "Container is close to its memory limit",
	Doc: `
The working set of the container, which is the memory that cannot be taken from it, is 95 % of its limit or more. The next allocation may be the one at which the kernel kills it.

**How it is told from its look-alikes.** By the working set and not by all memory: page cache that can be given back is not in it. A container that was killed already begins anew with little. A Java heap that is set to nearly all of the limit stays there
and is still too close, because threads and buffers come on top.

**What to do.** Raise the limit, or find out what grows.

The figure is that of the metrics API (metrics.k8s.io), about 15 s to a minute old, of the kubelet's /stats/summary, or of the node's agent about the run that has not ended.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Usage | evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.OutOfMemory,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		used, known := usedBy(p, corev1.ResourceMemory)
		if c == nil || !known {
			return
		}
		limit := c.Resources.Limits.Memory()
		if limit.IsZero() || used.Value < nearShare*limit.AsApproximateFloat64() {
			return
		}
		raise := limit.DeepCopy()
		raise.Set((limit.Value()*3/2 + mebi - 1) / mebi * mebi)
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible, Facts: []evidence.Fact{used, p.CiteSpec("resources.limits.memory", limit.String())},
			Message: fmt.Sprintf("container %s uses %d MiB of its memory limit of %s and may be killed at any moment", c.Name, int64(used.Value)/mebi, limit.String()),
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Raise the memory limit of %s to %s", c.Name, raise.String()), Risk: diagnosis.Restart,
				Patch: p.PatchContainer(map[string]any{"resources": map[string]any{"limits": map[string]any{"memory": raise.String()}}}),
			}},
		})
	},
}

const (
	nearShare = 0.95
	mebi      = 1 << 20
)
