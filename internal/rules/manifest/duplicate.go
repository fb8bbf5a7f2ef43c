// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Duplicate recognises a key that is given twice.
var Duplicate = &diagnosis.Rule{
	ID:    "MAN103",
	Title: "Field is given twice",
	Doc: `
A mapping has the same key twice. The last one counts, unless validation is strict and the whole is refused, so half of what was written does not
hold: often a block of env, resources or metadata that was added a second time.

**How it is told from its look-alikes.** Keys that a merge (<<) brings in and that are given again are meant to be, and are left alone.

**What to do.** Put both into one.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		told(p, "manifest-duplicate-field", "Put both into one")
	},
}
