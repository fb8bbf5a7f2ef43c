// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// RuntimeMissing recognises pods whose runtime class does not exist.
var RuntimeMissing = &diagnosis.Rule{
	ID:    "ADM007",
	Title: "The pods' RuntimeClass does not exist",
	Doc: `
The template names a runtime class, as gvisor, kata or nvidia, that the cluster does not have, and the API server refuses the
pods. The class is usually made by whoever installs that runtime on the nodes.

**How it is told from its look-alikes.** The refusal says "RuntimeClass … not found". A class that exists and whose handler the
node's runtime does not know lets the pod be created; its sandbox then fails on the node. A class that puts an overhead or a node
selector on its pods may refuse them with other words (ADM012).

**What to do.** Install the runtime with its class, or leave runtimeClassName out.

The words are written in kubernetes plugin/pkg/admission/runtimeclass/admission.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigMissing, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != runtimeClass {
			return
		}
		name := noRuntime.FindStringSubmatch(r.said)[1]
		r.report(p, fmt.Sprintf("the cluster has no runtime class %s", name), absent(p, "RuntimeClass", "", name),
			diagnosis.Fix{Title: "Install the runtime with its class, or leave runtimeClassName out", Command: "kubectl get runtimeclasses"})
	},
}

var noRuntime = regex.New(`RuntimeClass "([^"]+)" not found`)
