// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Preempted recognises a pod that the scheduler removed to make room for one of higher priority.
var Preempted = &diagnosis.Rule{
	ID:    "EVC004",
	Title: "Pod was preempted for a pod of higher priority",
	Doc: `
A pod of higher priority fitted on no node, and the scheduler deleted this one to make room for it. The pod is replaced and
not restarted; if there is no room for its successor elsewhere, that one stays Pending.

**How it is told from its look-alikes.** The condition DisruptionTarget has the reason PreemptionByScheduler; before
Kubernetes 1.26 only the scheduler's Event Preempted tells of it, and the finding is likely. The kubelet preempts too, for
critical pods of its own node (EVC007): that pod fails with the reason Preempting. An eviction for lack of memory or disk
is the kubelet's and has figures (EVC001).

**What to do.** Give the pod a priority that fits its worth, or the other one a PriorityClass with preemptionPolicy Never;
or add room. The Event names the pod that took the place by its UID.

The wordings are in kubernetes pkg/scheduler/framework/preemption; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Spec,
	Effect:   diagnosis.Evicted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		isIt := func(e evidence.Event) bool { return e.Reason == "Preempted" }
		d, sure := disrupted(p, "PreemptionByScheduler")
		confidence := diagnosis.Certain
		if !sure {
			confidence = diagnosis.Likely
			var ok bool
			if d, ok = announced(p, isIt); !ok {
				return
			}
		}
		f := diagnosis.Finding{At: d.at, Confidence: confidence, Facts: d.facts}
		with := ""
		if n := p.PodSpec().Priority; n != nil {
			with = fmt.Sprintf(" with priority %d", *n)
			f.Facts = append(f.Facts, p.CiteSpec("priority", *n))
		}
		f.Message = fmt.Sprintf("pod %s%s was preempted by the scheduler to make room for %s", p.About().Name, with, whom(p, &f, sure))
		f.Fixes = []diagnosis.Fix{
			{Title: "Give the pod a PriorityClass that fits its worth, or add room to the cluster"},
			{Title: "See which pods have which priority", Command: "kubectl get pods -A --sort-by=.spec.priority -o custom-columns=NS:.metadata.namespace,POD:.metadata.name,UID:.metadata.uid,PRIORITY:.spec.priority"},
		}
		p.Report(f)
	},
}

// preemptor finds who took the place: since 1.24 by UID, before as NAMESPACE/NAME.
var preemptor = regex.New(`^Preempted by (?:(?:a )?(?:pod|podgroup) )?(\S+) on node \S+`)

// whom names the pod that took the place, as far as the Event and the pods at hand tell.
func whom(p *diagnosis.Pass, f *diagnosis.Finding, cite bool) string {
	for _, e := range p.Events("Preempted") {
		m := preemptor.FindStringSubmatch(e.Message)
		if m == nil {
			continue
		}
		if cite {
			f.Facts = append(f.Facts, e.Fact())
		}
		return "a pod of higher priority, " + m[1]
	}
	return "a pod of higher priority"
}
