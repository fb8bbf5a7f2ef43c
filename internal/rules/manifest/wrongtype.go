// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// WrongType recognises a value that the API server refuses.
var WrongType = &diagnosis.Rule{
	ID:    "MAN104",
	Title: "Value is of the wrong type",
	Doc: `
The value is not of the type that the field has: a number or a truth value where a text belongs, most often in the value of a variable or an
annotation, or a text where a number does. The API server refuses the object.

**How it is told from its look-alikes.** yes, no, on and off are truth values to Kubernetes, which reads YAML 1.1. Fields that take a number or
a text, as ports and amounts do, are read as the API reads them.

**What to do.** Put the value between quotes, or take the quotes away.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		told(p, "manifest-wrong-type", "Write the value as the field wants it")
	},
}
