// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Removed recognises a version of the API that is gone.
var Removed = &diagnosis.Rule{
	ID:    "MAN105",
	Title: "Version of the API is no longer served",
	Doc: `
The manifest names a version of its kind that the Kubernetes it is for does not serve. It cannot be applied, and what is running from it cannot be changed by
the same file, as during an upgrade.

**How it is told from its look-alikes.** The versions and their ends are those in k8s.io/api and in the deprecation guide. Without --kube-version the newest Kubernetes that
is known is meant.

**What to do.** Write the version that is named; fields may have moved (https://kubernetes.io/docs/reference/using-api/deprecation-guide/).
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		told(p, "manifest-version-removed", "Write the version that is served")
	},
}
