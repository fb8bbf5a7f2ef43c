// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Unreadable recognises a document that is no manifest.
var Unreadable = &diagnosis.Rule{
	ID:    "MAN101",
	Title: "Manifest cannot be read",
	Doc: `
The document is no YAML, or unfolds to more than is read, or says no kind, or one that Kubernetes does not have in its own groups. Nothing in it can be judged, and kubectl apply refuses the file, after it may have applied the
documents before it.

**How it is told from its look-alikes.** Files of a folder that are no manifests are left alone; those that were named, and documents with a kind, are not.
A template that was not rendered is of this sort. Kinds of other groups, as custom resources have, are not judged.

**What to do.** Correct the line that is named; of a template, scan what it renders to.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		told(p, "manifest-unreadable", "Correct the YAML, or scan what the template renders to")
	},
}
