// SPDX-License-Identifier: Apache-2.0

package set

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// AccountAbsent recognises an account that nothing brings.
var AccountAbsent = &diagnosis.Rule{
	ID:    "SET106",
	Title: "ServiceAccount is not among the manifests",
	Doc: `
The pods run as a ServiceAccount that none of the manifests has. If it is not in the cluster by another way no pod is created: the controller is refused with "serviceaccount not
found", which only an Event tells.

**How it is told from its look-alikes.** The manifests have other ServiceAccounts in the namespace. The account default is in each namespace.

**What to do.** Correct the name, or add the ServiceAccount.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		has := names(diagnosis.List[*corev1.ServiceAccount](p))
		some := map[string]bool{}
		for _, a := range diagnosis.List[*corev1.ServiceAccount](p) {
			some[a.Namespace] = true
		}
		for _, pod := range diagnosis.List[*corev1.Pod](p) {
			name := pod.Spec.ServiceAccountName
			if name == "" || name == "default" || !some[pod.Namespace] || has[pod.Namespace+"/"+name] {
				continue
			}
			p.Report(finding(pod, "spec.serviceAccountName", name, "Correct the name, or add ServiceAccount "+name,
				"%s runs as ServiceAccount %s, which is not among these manifests: without it no pod is created", owner(pod), name))
		}
	},
}
