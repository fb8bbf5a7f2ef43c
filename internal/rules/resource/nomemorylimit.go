// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoMemoryLimit recognises a container that may take all the memory of its node.
var NoMemoryLimit = &diagnosis.Rule{
	ID:    "RES101",
	Title: "Container has no memory limit",
	Doc: `
A container without a memory limit may take all the memory of its node. A leak in it then ends other pods: the kernel kills what it judges
the largest, or the kubelet evicts, and what dies need not be what grew.

**How it is told from its look-alikes.** Neither the container nor its pod sets a limit. A LimitRange of the namespace may set one when
the pod is created, which a manifest does not show.

**What to do.** Set the memory limit to what the program was seen to need at its peak and a margin, and the request to the same where
the program must not be evicted.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.OutOfMemory,
	Run: func(p *diagnosis.Pass) {
		c := container(p)
		if c == nil || !c.Resources.Limits.Memory().IsZero() {
			return
		}
		p.Report(finding(p, "limits.memory", unset, fmt.Sprintf("Set a memory limit of container %s", c.Name), "container %s has no memory limit: what it leaks is taken from other pods of its node", c.Name))
	},
}
