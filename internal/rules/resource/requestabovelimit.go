// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RequestAboveLimit recognises a request that no limit allows.
var RequestAboveLimit = &diagnosis.Rule{
	ID:    "RES104",
	Title: "Request is above the limit",
	Doc: `
A container requests more of a resource than its limit allows. The API server refuses the pod, or its controller, which then makes no pods at
all and says so only in an Event.

**How it is told from its look-alikes.** Both are set in the manifest, and the request is larger. Where only one is set nothing is refused:
a limit alone makes a request of the same size.

**What to do.** Raise the limit or lower the request; often the units differ, as 1000m and 1.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
			if limit.IsZero() || request.Cmp(limit) <= 0 {
				continue
			}
			p.Report(finding(p, "requests."+string(name), request.String(), fmt.Sprintf("Raise the %s limit of container %s to %s, or lower the request", name, c.Name, request.String()),
				"container %s requests %s of %s and is limited to %s: the API server refuses that", c.Name, request.String(), name, limit.String()))
		}
	},
}
