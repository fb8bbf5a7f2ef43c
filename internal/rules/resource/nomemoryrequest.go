// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoMemoryRequest recognises a container of whose memory the scheduler knows nothing.
var NoMemoryRequest = &diagnosis.Rule{
	ID:    "RES102",
	Title: "Container requests no memory",
	Doc: `
The scheduler counts a container that requests no memory as needing none, and puts it on nodes that are full. When the node runs short, pods that use more than
they request are evicted first, and the kernel kills those first of which least is promised (BestEffort).

**How it is told from its look-alikes.** Neither request nor limit of memory is set: a limit alone makes a request of the same size. A
LimitRange of the namespace may set one when the pod is created.

**What to do.** Request what the program uses when it is busy.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.Evicted,
	Run: func(p *diagnosis.Pass) {
		c := container(p)
		if c == nil || !c.Resources.Requests.Memory().IsZero() || !c.Resources.Limits.Memory().IsZero() {
			return
		}
		p.Report(finding(p, "requests.memory", unset, fmt.Sprintf("Set a memory request of container %s", c.Name), "container %s requests no memory: it is among the first to be evicted or killed when its node runs short", c.Name))
	},
}
