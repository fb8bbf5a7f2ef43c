// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoPods recognises a Service that a program needs and for which there is no pod at all.
var NoPods = &diagnosis.Rule{
	ID:    "DEP002",
	Title: "Service has no pods, because nothing makes any",
	Doc: `
The program could not connect to a Service. It exists, and no pod has the labels that it selects: its workload is scaled to zero,
cannot create pods, or was removed.

**How it is told from its look-alikes.** The EndpointSlices of the Service are empty and no pod matches its selector. A workload whose pod
template has the labels shows which case it is: with zero replicas somebody, or an autoscaler, scaled it down; that also tells it of a Service
so new that it has no EndpointSlice yet. Where a workload exists
whose labels differ from the selector only a little, the selector is wrong, which is another rule's. Pods that exist and are not
ready are another's, too.

**What to do.** Scale the workload up; if an autoscaler scaled it to zero, look at why. If there is none, deploy it or remove what
calls it.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.Unavailable, diagnosis.NotAdmitted, diagnosis.ConfigChanged, diagnosis.RolledOut, diagnosis.PodDeleted},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != noPods {
			return
		}
		m, ok := makerOf(p, c.service)
		switch {
		case ok && m.replicas == 0:
			f := c.finding(p, fmt.Sprintf("it has no pods, because %s is scaled to 0", m.ref), append(c.slices.facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: m.ref, Where: "spec.replicas", Text: "replicas 0",
			})...)
			f.Through = []evidence.Ref{m.ref}
			f.Fixes = []diagnosis.Fix{{
				Title: fmt.Sprintf("Scale %s up again, unless it was meant to be off", m.ref), Risk: diagnosis.Restart,
				Patch: &diagnosis.Patch{Target: m.ref, Type: diagnosis.Strategic, Data: `{"spec":{"replicas":1}}`},
			}}
			p.Report(f)
		case ok:
			f := c.finding(p, fmt.Sprintf("it has no pods: %s has made none", m.ref), c.slices.facts...)
			f.Through = []evidence.Ref{m.ref}
			f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Look at why %s makes no pods", m.ref), Command: fmt.Sprintf("inquest why %s -n %s", m.ref, m.ref.Namespace)}}
			p.Report(f)
		default:
			f := c.finding(p, "no pod has the labels that it selects, and no workload that was seen makes any", c.slices.facts...)
			f.Fixes = []diagnosis.Fix{{Title: "Deploy what the Service is for, or correct its selector", Command: fmt.Sprintf("kubectl -n %s describe service %s", c.service.Namespace, c.service.Name)}}
			p.Report(f)
		}
	},
}
