// SPDX-License-Identifier: Apache-2.0

package set

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// HeadlessAbsent recognises a StatefulSet whose pods have no names.
var HeadlessAbsent = &diagnosis.Rule{
	ID:    "SET114",
	Title: "StatefulSet has no Service for its names",
	Doc: `
The StatefulSet's serviceName names no headless Service among the manifests. Its pods get no names of their own, and programs that find each other by them, as databases
do, never form a cluster.

**How it is told from its look-alikes.** The manifests have other Services in the namespace. A Service of that name that has a cluster IP gives the pods no names either.

**What to do.** Add a Service with that name, the StatefulSet's labels and clusterIP: None.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.NameUnresolved,
	Run: func(p *diagnosis.Pass) {
		some := servicesIn(p)
		for _, set := range diagnosis.List[*appsv1.StatefulSet](p) {
			s, ok := diagnosis.Get[*corev1.Service](p, set.Namespace, set.Spec.ServiceName)
			if !some[set.Namespace] || ok && s.Spec.ClusterIP == corev1.ClusterIPNone {
				continue
			}
			name := set.Spec.ServiceName
			if name == "" {
				name = "of no name"
			}
			p.Report(finding(set, "spec.serviceName", set.Spec.ServiceName, "Add a headless Service, and name it in serviceName",
				"StatefulSet %s has Service %s, which is no headless Service among these manifests: its pods have no names", set.Name, name))
		}
	},
}

// servicesIn returns the namespaces that the set has Services in.
func servicesIn(p *diagnosis.Pass) map[string]bool {
	some := map[string]bool{}
	for _, s := range diagnosis.List[*corev1.Service](p) {
		some[s.Namespace] = true
	}
	return some
}
