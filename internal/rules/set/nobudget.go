// SPDX-License-Identifier: Apache-2.0

package set

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoBudget recognises replicas that a drain may end together.
var NoBudget = &diagnosis.Rule{
	ID:    "SET113",
	Title: "Replicas without a disruption budget",
	Doc: `
The workload runs several replicas and no PodDisruptionBudget selects them. A drain of several nodes, as during an upgrade, may end all of them at a
time, although there are several so that one is always up.

**How it is told from its look-alikes.** It asks for at least two replicas, or an autoscaler makes them. A single replica is down during a drain whatever a budget says, short of blocking it.

**What to do.** Add a PodDisruptionBudget with the workload's selector and maxUnavailable: 1.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.NodeDrained,
	Run: func(p *diagnosis.Pass) {
		x := indexOf(p)
		protected := map[*corev1.Pod]bool{}
		for _, b := range diagnosis.List[*policyv1.PodDisruptionBudget](p) {
			if selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector); err == nil {
				for _, pod := range x.matching(b.Namespace, selector) {
					protected[pod] = true
				}
			}
		}
		for _, pod := range diagnosis.List[*corev1.Pod](p) {
			of := owner(pod)
			h := x.scaled[of]
			scaled := h != nil && h.Spec.MinReplicas != nil && *h.Spec.MinReplicas > 1
			if wanted(p, of) < 2 && !scaled || protected[pod] || p.Object(of) == nil {
				continue
			}
			top := p.Object(of)
			p.Report(finding(top, "spec.replicas", "no PodDisruptionBudget", "Add a PodDisruptionBudget with maxUnavailable 1 for "+of.Name,
				"%s has several replicas and no PodDisruptionBudget: a drain may end all of them at a time", of))
		}
	},
}
