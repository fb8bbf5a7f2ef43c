// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Deprecated recognises a version of the API that will go.
var Deprecated = &diagnosis.Rule{
	ID:    "MAN106",
	Title: "Version of the API is deprecated",
	Doc: `
The manifest names a version of its kind that is still served and will not be: it works today, and an upgrade of the cluster will refuse it.

**How it is told from its look-alikes.** It is deprecated in the Kubernetes that the manifest is for, and not removed yet, which is another rule's.

**What to do.** Write the version that is named before the cluster is upgraded to the one that no longer serves it.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		told(p, "manifest-version-deprecated", "Write the newer version")
	},
}
