// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"

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
			Title: "Correct the selector of Service " + c.service.Name, Command: fmt.Sprintf("kubectl -n %s edit service %s", c.service.Namespace, c.service.Name),
		}}
		p.Report(f)
	},
}
