// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SelectorMismatch recognises a Service whose selector misses the pods that it is meant for.
var SelectorMismatch = &diagnosis.Rule{
	ID:    "DEP003",
	Title: "Service selects labels that its pods do not have",
	Doc: `
The program could not connect to a Service. Pods for it exist, or a workload that makes them, but the Service selects labels that these
do not have, so that it has no endpoints. Nothing is wrong with the pods, and they are ready.

**How it is told from its look-alikes.** The EndpointSlices are empty, no pod matches the selector, and one workload of the namespace has the
Service's name or some of the labels: the one that differs is named. Where a workload's template does match, its pods are missing,
which is another rule's. Services without a selector have endpoints that somebody else writes.

**What to do.** Correct the selector of the Service; labels of a Deployment's pods can only be changed together with its own selector.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != selectorMismatch {
			return
		}
		m, differs := nearest(p, c.service)
		f := c.finding(p, fmt.Sprintf("it selects no pod; the pods of %s are probably meant, but it selects %s", m.ref, differs), append(c.slices.facts, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(c.service), Where: "spec.selector", Text: fmt.Sprintf("selector %v", c.service.Spec.Selector),
		}, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: m.ref, Where: "spec.template.metadata.labels", Text: fmt.Sprintf("labels %v", m.labels),
		})...)
		f.Fixes = []diagnosis.Fix{{
			Title: fmt.Sprintf("Let Service %s select the pods of %s", c.service.Name, m.ref), Risk: diagnosis.Restart, Patch: selecting(c.service, m.labels),
		}}
		p.Report(f)
	},
}

// selecting makes a Service select pods with these labels: by the keys that it selects by already, as far as they have
// them, and by all where they have none.
func selecting(s *corev1.Service, labels map[string]string) *diagnosis.Patch {
	selector, kept := map[string]any{}, false
	for key, value := range s.Spec.Selector {
		has, there := labels[key]
		kept = kept || there
		switch {
		case !there:
			selector[key] = nil
		case has != value:
			selector[key] = has
		}
	}
	for key, value := range labels {
		if !kept {
			selector[key] = value
		}
	}
	data, err := json.Marshal(map[string]any{"spec": map[string]any{"selector": selector}})
	if err != nil {
		return nil // cannot happen: it is of strings
	}
	return &diagnosis.Patch{Target: evidence.RefOf(s), Type: diagnosis.Strategic, Data: string(data)}
}
