// SPDX-License-Identifier: Apache-2.0

package set

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoPods recognises a Service that leads nowhere.
var NoPods = &diagnosis.Rule{
	ID:    "SET101",
	Title: "Service selects no pods",
	Doc: `
No pod of the set, and no template of a workload in it, has the labels that the Service selects. It has no endpoints, and who calls it is refused or waits.

**How it is told from its look-alikes.** The set has pods in the Service's namespace, and none matches. Services without a selector have endpoints that somebody else
writes, and those of a namespace without pods in the set are for pods from elsewhere.

**What to do.** Correct the selector, or the labels of the template together with the workload's own selector.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.DependencyDown,
	Run: func(p *diagnosis.Pass) {
		pods := indexOf(p)
		for _, s := range diagnosis.List[*corev1.Service](p) {
			if len(s.Spec.Selector) == 0 || len(pods.in[s.Namespace]) == 0 || len(pods.matching(s.Namespace, labels.SelectorFromSet(s.Spec.Selector))) > 0 {
				continue
			}
			p.Report(finding(s, "spec.selector", labels.Set(s.Spec.Selector).String(), "Correct the selector of Service "+s.Name,
				"Service %s selects %s, and no pod among these manifests has that: it leads nowhere", s.Name, labels.Set(s.Spec.Selector)))
		}
	},
}
