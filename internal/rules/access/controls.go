// SPDX-License-Identifier: Apache-2.0

package access

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/rights"
)

// Controls recognises a role for the whole cluster that is fit for a controller, and is more than it names.
var Controls = &diagnosis.Rule{
	ID:    "RBC104",
	Title: "ClusterRole leads to more rights, as controllers' do",
	Doc: `
A ClusterRole lets its holder make pods, or workloads, Jobs or CronJobs, which make them: these run as any service account of a namespace, and
have its token. Creating Secrets has tokens made, a PersistentVolume mounts any path of a node, and by APIServices, the labels of
namespaces, and nodes one gets at what others have. Many a controller needs one of these for what it is for; whoever gets hold of it, or
of its token, then has the cluster.

**How it is told from its look-alikes.** The verbs and resources are named, and no resourceNames narrow them. A Role is left alone: what it
leads to stays in one namespace. So are roles that Kubernetes makes by itself. What few controllers need is RBC102.

**What to do.** Where it does its work in few namespaces, bind it there with RoleBindings, or make it Roles; give it to no people, and keep
other pods from its account.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		if p.About().Kind == "ClusterRole" {
			leads(p, func(w *rights.Way) bool { return w.Usual }, "leads its holder to more rights, as those of controllers may",
				"Bind %s only in the namespaces that need it, and to nobody but the controller that it is for")
		}
	},
}
