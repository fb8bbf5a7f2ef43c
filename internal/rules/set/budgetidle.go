// SPDX-License-Identifier: Apache-2.0

package set

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BudgetIdle recognises a budget that protects nothing.
var BudgetIdle = &diagnosis.Rule{
	ID:    "SET111",
	Title: "Disruption budget matches no pods",
	Doc: `
No pod of the set has the labels that the PodDisruptionBudget selects. It protects nothing: a drain may end all replicas at a time.

**How it is told from its look-alikes.** The manifests have pods in the budget's namespace, and none matches. An empty selector matches all.

**What to do.** Correct the selector: it must be that of the workload.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.NodeDrained,
	Run: func(p *diagnosis.Pass) {
		pods := indexOf(p)
		for _, b := range diagnosis.List[*policyv1.PodDisruptionBudget](p) {
			selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			if err != nil || len(pods.in[b.Namespace]) == 0 || len(pods.matching(b.Namespace, selector)) > 0 {
				continue
			}
			p.Report(finding(b, "spec.selector", selector.String(), "Correct the selector of PodDisruptionBudget "+b.Name,
				"PodDisruptionBudget %s selects %s, and no pod among these manifests has that: it protects nothing", b.Name, selector))
		}
	},
}
