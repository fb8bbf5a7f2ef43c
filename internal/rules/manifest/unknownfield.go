// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// UnknownField recognises a field that the API does not have.
var UnknownField = &diagnosis.Rule{
	ID:    "MAN102",
	Title: "There is no such field",
	Doc: `
The API has no field of that name at that place. Without strict validation the API server drops it and says nothing more than a warning, so that
what was asked for, a probe, a limit or a grace period, does not hold although the file says so.

**How it is told from its look-alikes.** Fields are those of the version that the manifest names, as Kubernetes 1.37 has them. Custom resources are not judged.

**What to do.** Correct the name or the depth: most often the field belongs a level higher or lower.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		told(p, "manifest-unknown-field", "Correct the name of the field, or move it to where it belongs")
	},
}
