// SPDX-License-Identifier: Apache-2.0

package set

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BudgetBlocks recognises a budget that blocks each drain.
var BudgetBlocks = &diagnosis.Rule{
	ID:    "SET112",
	Title: "Disruption budget allows no disruption",
	Doc: `
The budget allows none of its pods to be evicted: maxUnavailable is 0, or minAvailable is as many as there are replicas. A node that runs one of them cannot be drained,
so that upgrades wait until somebody ends the pods by force.

**How it is told from its look-alikes.** The number of replicas is that of the workloads among the manifests, without an autoscaler that makes more. A
budget for one replica blocks too, unless it is left out.

**What to do.** Set maxUnavailable: 1, and run at least two replicas.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.NodeDrained,
	Run: func(p *diagnosis.Pass) {
		x := indexOf(p)
		for _, b := range diagnosis.List[*policyv1.PodDisruptionBudget](p) {
			selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			if err != nil {
				continue
			}
			total := x.replicas(p, x.matching(b.Namespace, selector))
			field, amount := "maxUnavailable", b.Spec.MaxUnavailable
			if amount == nil {
				field, amount = "minAvailable", b.Spec.MinAvailable
			}
			if amount == nil || total == 0 && field == "minAvailable" {
				continue
			}
			n, err := intstr.GetScaledValueFromIntOrPercent(amount, cmp.Or(total, 100), true)
			if err != nil || field == "maxUnavailable" && n > 0 || field == "minAvailable" && n < total {
				continue
			}
			of := fmt.Sprintf(" for %d pods", total)
			if total == 0 { // which an autoscaler says, or nobody here
				of = ""
			}
			p.Report(finding(b, "spec."+field, field+" "+amount.String(), fmt.Sprintf("Set maxUnavailable of PodDisruptionBudget %s to 1, with at least 2 replicas", b.Name),
				"PodDisruptionBudget %s has %s %s%s: none of them can be evicted, and no node that has one drained", b.Name, field, amount.String(), of))
		}
	},
}

// replicas returns how many pods there would be of those; 0 where it is not known, or an autoscaler says.
func (x *index) replicas(p *diagnosis.Pass, list []*corev1.Pod) int {
	total := 0
	for _, pod := range list {
		n := int(wanted(p, owner(pod)))
		if n == 0 || x.scaled[owner(pod)] != nil {
			return 0
		}
		total += n
	}
	return total
}
