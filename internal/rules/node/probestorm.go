// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ProbeStorm recognises probes that fail on a whole node.
var ProbeStorm = &diagnosis.Rule{
	ID:    "NOD016",
	Title: "Probes of many workloads fail on one node",
	Doc: `
Probes of pods that have nothing to do with each other fail on one node at the same time: then it is the node, or its kubelet, which cannot run them in time, and not the applications. Restarts make it
worse, because every start costs more than running.

**How it is told from its look-alikes.** By Unhealthy Events of at least three different workloads on this node within two minutes, while other nodes have fewer; if
nothing is known of other nodes it is only possible. Pods of one workload that fail together have a
reason in that workload. Workloads that all call the same service fail on every node.

**What to do.** Look at processor, disk and memory pressure of the node and at the kubelet; cordon it; give probes a timeoutSeconds of more than the default of one second.

The Events are written in kubernetes pkg/kubelet/prober/prober.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Events,
	Also:     evidence.Spec | evidence.Status,
	Effect:   diagnosis.NodeSaturated,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.RuntimeFailed, diagnosis.NetworkFailed, diagnosis.Throttled},
	Run: func(p *diagnosis.Pass) {
		here, facts := failing(p, func(pod *corev1.Pod) bool { return pod.Spec.NodeName == p.About().Name })
		there, _ := failing(p, func(pod *corev1.Pod) bool { return pod.Spec.NodeName != p.About().Name })
		if len(here) < manyPods || len(there) >= len(here) {
			return
		}
		sure := diagnosis.Possible // the same may go on elsewhere
		if slices.ContainsFunc(diagnosis.List[*corev1.Pod](p), func(pod *corev1.Pod) bool { return pod.Spec.NodeName != p.About().Name }) {
			sure = diagnosis.Likely
		}
		p.Report(diagnosis.Finding{
			Confidence: sure, Facts: few(facts),
			Message: fmt.Sprintf("probes of %d different workloads fail on %s within the same minutes, so it is the node and not they", len(here), nodeName(p)),
			Fixes: []diagnosis.Fix{
				{Title: "Look at the load of " + nodeName(p), Command: "kubectl top node " + p.About().Name + "; kubectl top pods -A --sort-by cpu | head"},
				{Title: "Cordon " + nodeName(p) + " until it is well", Command: "kubectl cordon " + p.About().Name},
			},
		})
	},
}

// stormWindow is within which time probes fail together.
const stormWindow = 2 * time.Minute

// failing returns the workloads of the pods that were unhealthy lately, and the Events.
func failing(p *diagnosis.Pass, on func(*corev1.Pod) bool) (workloads []string, facts []evidence.Fact) {
	for _, pod := range diagnosis.List[*corev1.Pod](p) {
		owner := pod.Name
		if len(pod.OwnerReferences) > 0 {
			owner = pod.OwnerReferences[0].Kind + " " + pod.OwnerReferences[0].Name
		}
		owner = pod.Namespace + "/" + owner
		events := p.EventsOf(evidence.RefOf(pod), "Unhealthy")
		if !on(pod) || len(events) == 0 || well(p, pod, events[0].First) || p.Now().Sub(events[len(events)-1].Last) > lately || slices.Contains(workloads, owner) {
			continue
		}
		last := events[len(events)-1]
		if len(facts) > 0 && last.Last.Sub(facts[0].At).Abs() > stormWindow {
			continue
		}
		workloads, facts = append(workloads, owner), append(facts, last.Fact())
	}
	return workloads, facts
}

// well tells whether the pod is ready and none of its containers has ended since its probes began to fail: so it is with
// one that was asked before it listened.
func well(p *diagnosis.Pass, pod *corev1.Pod, since time.Time) bool {
	return podReady(pod) && !slices.ContainsFunc(p.AttemptsOf(evidence.RefOf(pod)), func(a evidence.Attempt) bool {
		return a.Expected == "" && a.Finished.After(since)
	})
}
