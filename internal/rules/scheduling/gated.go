// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Gated recognises a pod that is held back from the scheduler by its own gates.
var Gated = &diagnosis.Rule{
	ID:    "SCH013",
	Title: "Pod is held back by a scheduling gate",
	Doc: `
The pod has schedulingGates, and the scheduler does not look at it until every one is removed. A gate is set when the pod is
made, by its manifest or by an admission webhook, and removed by the controller that it belongs to: a queue as Kueue, a quota
system, a program that makes volumes ready. If that controller does not run, or has not let the pod go, the pod waits for ever.

**How it is told from its look-alikes.** The condition PodScheduled has the reason SchedulingGated, and the spec names the gates.
The phase is Pending as for a pod that fits nowhere, but there is no verdict of the scheduler, and no Event FailedScheduling.

**What to do.** Find the controller by the name of the gate, and ask it why it holds the pod: a queue that is full is in order.
Remove a gate by hand only if its controller is gone; gates can be removed from a pod, never added.

KEP-3521; the reason is set in kubernetes pkg/registry/core/pod/strategy.go. Recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		fact, _ := p.CitePodCondition(corev1.PodScheduled)
		if !strings.Contains(fact.Text, "reason "+corev1.PodReasonSchedulingGated) {
			return
		}
		facts := []evidence.Fact{fact}
		var gates []string
		for i, g := range p.PodSpec().SchedulingGates {
			gates = append(gates, g.Name)
			facts = append(facts, p.CiteSpec(fmt.Sprintf("schedulingGates[%d].name", i), g.Name))
		}
		name := p.About().Name
		message := fmt.Sprintf("pod %s is not given to the scheduler until its gate is removed", name)
		if len(gates) > 0 {
			message = fmt.Sprintf("pod %s is not given to the scheduler until the gate %s is removed by the controller that it belongs to", name, strings.Join(gates, " and "))
		}
		p.Report(diagnosis.Finding{Confidence: diagnosis.Certain, Message: message, Facts: facts, Fixes: []diagnosis.Fix{{
			Title: "Look whether the controller that removes the gate runs, and what it says of the pod", Command: fmt.Sprintf("kubectl describe pod -n %s %s", p.About().Namespace, name),
		}, {
			Title:   "Remove all gates by hand, if their controller is gone",
			Command: fmt.Sprintf(`kubectl patch pod -n %s %s --type=json -p '[{"op":"remove","path":"/spec/schedulingGates"}]'`, p.About().Namespace, name),
		}}})
	},
}
