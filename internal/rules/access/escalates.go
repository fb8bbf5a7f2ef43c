// SPDX-License-Identifier: Apache-2.0

package access

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/rights"
)

// Escalates recognises a role by which its holder can get other rights.
var Escalates = &diagnosis.Rule{
	ID:    "RBC102",
	Title: "Role lets its holder become more",
	Doc: `
Who has the role can get rights that the role does not name: by binding or widening roles, by impersonating, by making tokens of other
accounts, by running commands or ephemeral containers in pods of other accounts, by reading Secrets of a whole cluster, through the kubelet by
nodes/proxy, by webhooks and policies of admission, which see or change what anybody writes, or by approving or signing certificates.

**How it is told from its look-alikes.** The verbs and resources are named, and no resourceNames narrow them to a few. Reading Secrets
counts in a ClusterRole only, and so does what lies in no namespace. Roles that Kubernetes makes by itself are left alone. What controllers usually need is RBC104.

**What to do.** Take the rule away, or narrow it with resourceNames; see https://kubernetes.io/docs/concepts/security/rbac-good-practices/.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		wide := p.About().Kind == "ClusterRole"
		leads(p, func(w *rights.Way) bool { return !w.Usual && (wide || !w.Cluster && w.Resources != "secrets") },
			"lets its holder become more", "Take that rule away from %s, or name single objects with resourceNames")
	},
}
