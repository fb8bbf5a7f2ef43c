// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoCPURequest recognises a container of whose CPU time nothing is promised.
var NoCPURequest = &diagnosis.Rule{
	ID:    "RES103",
	Title: "Container requests no CPU",
	Doc: `
A container that requests no CPU gets the least share when its node is busy: its probes time out, and a liveness probe restarts it for the load of others.
An autoscaler that scales on CPU cannot work without a request.

**How it is told from its look-alikes.** Neither request nor limit of CPU is set: a limit alone makes a request of the same size. A
missing CPU limit is no fault, as a limit throttles even on an idle node.

**What to do.** Request what the program uses when it is busy. Leave the limit out where nothing demands one.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.Throttled,
	Run: func(p *diagnosis.Pass) {
		c := container(p)
		if c == nil || !c.Resources.Requests.Cpu().IsZero() || !c.Resources.Limits.Cpu().IsZero() {
			return
		}
		p.Report(finding(p, "requests.cpu", unset, fmt.Sprintf("Set a CPU request of container %s", c.Name), "container %s requests no CPU: on a busy node it gets the least, and its probes time out", c.Name))
	},
}
