// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CriticalAdmitted recognises a pod that its kubelet ended to admit a critical pod.
var CriticalAdmitted = &diagnosis.Rule{
	ID:    "EVC007",
	Title: "Pod was ended by its kubelet to admit a critical pod",
	Doc: `
A critical pod, static or of the class system-node-critical or system-cluster-critical, came to the node and did not fit.
The kubelet ended this pod to make room: it failed for good and is replaced. It takes pods of the lowest quality of
service first, and as few as it can.

**How it is told from its look-alikes.** The pod's status has the reason Preempting, and the condition DisruptionTarget has
TerminationByKubelet. The scheduler's preemption deletes the pod and does not fail it (EVC004). An eviction for pressure
has the reason Evicted and figures (EVC001).

**What to do.** See which critical pod is new on the node and what it requests; reserve that much for the system
(system-reserved, kube-reserved) so that the scheduler does not give it away.

The wordings are in kubernetes pkg/kubelet/preemption/preemption.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.Evicted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeSaturated, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d, ok := failedFor(p, "Preempting")
		if !ok {
			c, _ := p.CitePodCondition(corev1.DisruptionTarget)
			if !strings.Contains(c.Text, "critical pod") {
				return
			}
			d = disruption{at: c.At, facts: []evidence.Fact{c}}
		}
		f := diagnosis.Finding{
			At: d.at, Confidence: diagnosis.Certain, Facts: d.facts,
			Message: fmt.Sprintf("pod %s was ended by the kubelet of node %s to make room for a critical pod", p.About().Name, p.NodeName()),
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("See which critical pods are new on node %s, and reserve for the system what they request", p.NodeName()),
				Command: "kubectl get pods -A --field-selector spec.nodeName=" + p.NodeName() + " --sort-by=.metadata.creationTimestamp",
			}},
		}
		for _, e := range p.Events("Preempting") {
			f.Facts = append(f.Facts, e.Fact())
		}
		p.Report(f)
	},
}
