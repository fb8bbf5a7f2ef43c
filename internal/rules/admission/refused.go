// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Refused recognises a workload whose pods the API server refuses for a reason that no other rule of the family knows.
var Refused = &diagnosis.Rule{
	ID:    "ADM012",
	Title: "The API server refuses the pods for another reason",
	Doc: `
The controller wants pods and gets none, and the API server says why in words that the other rules do not read: a plugin for
admission that only this cluster has, a permission that the controller lacks, a store that does not answer.

**How it is told from its look-alikes.** There is a condition ReplicaFailure or an Event FailedCreate, and the workload still has
too few pods; what is said is none of: quota, LimitRange, Pod Security, a missing account or class, webhook, policy, a namespace that ends,
an invalid field. Those have rules of their own, and they stay silent.

**What to do.** Read what the API server says: it is passed on as it is.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != unknown || r.said == "" {
			return
		}
		said := strings.Join(strings.Fields(strings.TrimSuffix(r.said, ".")), " ")
		r.report(p, "the API server says: "+said, nil, diagnosis.Fix{
			Title: "Look at what the API server names", Command: fmt.Sprintf("kubectl describe -n %s %s", p.About().Namespace, p.About()),
		})
	},
}
