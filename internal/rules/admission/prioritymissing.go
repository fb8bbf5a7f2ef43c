// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// PriorityMissing recognises pods whose priority class does not exist.
var PriorityMissing = &diagnosis.Rule{
	ID:    "ADM006",
	Title: "The pods' PriorityClass does not exist",
	Doc: `
The template names a priority class that the cluster does not have. Classes belong to the whole cluster and are often left out
when a manifest moves to another one. The API server refuses the pods.

**How it is told from its look-alikes.** The refusal says "no PriorityClass with name … was found". A quota that is bound to a
class refuses with "insufficient quota to match these scopes" (ADM001). A class that exists and is low lets the pod be created,
and the scheduler may then evict it for another.

**What to do.** Create the class, or name one that exists in priorityClassName, or none.

The words are written in kubernetes plugin/pkg/admission/priority/admission.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigMissing, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != priority {
			return
		}
		name := noPriority.FindStringSubmatch(r.said)[1]
		r.report(p, fmt.Sprintf("the cluster has no priority class %s", name), absent(p, "PriorityClass", "", name),
			diagnosis.Fix{Title: "Name a class that exists, or none", Command: "kubectl get priorityclasses"},
			diagnosis.Fix{Title: "Or create the class with the value that it has elsewhere", Command: fmt.Sprintf("kubectl create priorityclass %s --value=VALUE", name)})
	},
}

var noPriority = regex.New(`no PriorityClass with name (\S+) was found`)
