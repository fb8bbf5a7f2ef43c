// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SelectorMismatch recognises a selector that does not match its own template.
var SelectorMismatch = &diagnosis.Rule{
	ID:    "WRK101",
	Title: "Selector does not match the template",
	Doc: `
The workload's selector does not match the labels of its own template. The API server refuses it ("selector does not match template labels").

**How it is told from its look-alikes.** Both are in one manifest. Labels of the workload itself have nothing to do with either.

**What to do.** Give the template the labels that the selector names. The selector of what is running cannot be changed.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		selector, labelsOf := selects(p)
		if selector == nil {
			return
		}
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || s.Matches(labels.Set(labelsOf)) {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("%s selects %s and its template has %s: the API server refuses it", p.About(), s, labels.Set(labelsOf)),
			Facts:      []evidence.Fact{spec(p, "spec.selector", s.String()), spec(p, "spec.template.metadata.labels", labels.Set(labelsOf).String())},
			Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Give the template of %s the labels %s", p.About().Name, s)}},
		})
	},
}

// selects returns the selector of the pass's workload and the labels of its template.
func selects(p *diagnosis.Pass) (*metav1.LabelSelector, map[string]string) {
	switch o := p.Object(p.About()).(type) {
	case *appsv1.Deployment:
		return o.Spec.Selector, o.Spec.Template.Labels
	case *appsv1.StatefulSet:
		return o.Spec.Selector, o.Spec.Template.Labels
	case *appsv1.DaemonSet:
		return o.Spec.Selector, o.Spec.Template.Labels
	case *appsv1.ReplicaSet:
		return o.Spec.Selector, o.Spec.Template.Labels
	}
	return nil, nil
}
