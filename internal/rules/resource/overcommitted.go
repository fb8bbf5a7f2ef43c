// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Overcommitted recognises a container that is promised much less memory than it may use.
var Overcommitted = &diagnosis.Rule{
	ID:    "RES107",
	Title: "Memory limit is far above the request",
	Doc: `
The container may use much more memory than the scheduler has put aside for it. When several such pods of a node grow at once the node runs out, and those that
are furthest above their request are evicted or killed first, long before their own limit.

**How it is told from its look-alikes.** The limit is more than twice the request. Some distance is usual, and saves memory; a
container that must not be restarted has both the same.

**What to do.** Raise the request towards what the program uses, or lower the limit.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.Evicted,
	Run: func(p *diagnosis.Pass) {
		c := container(p)
		if c == nil {
			return
		}
		request, limit := c.Resources.Requests.Memory(), c.Resources.Limits.Memory()
		if request.IsZero() || limit.Value() <= 2*request.Value() {
			return
		}
		p.Report(finding(p, "limits.memory", limit.String(), fmt.Sprintf("Request at least half of the memory limit of container %s", c.Name),
			"container %s may use %s of memory and requests %s: above that it is evicted first", c.Name, limit.String(), request.String()))
	},
}
