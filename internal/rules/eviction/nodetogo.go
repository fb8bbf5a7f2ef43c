// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodeToGo recognises a node that its cloud or an autoscaler takes away, which is why its pods move.
var NodeToGo = &diagnosis.Rule{
	ID:    "EVC009",
	Title: "Node is taken away by its cloud or an autoscaler",
	Doc: `
The machine below the node ends soon: a spot instance is taken back, the cloud has scheduled maintenance, or an autoscaler
removes a node that is not needed or replaces it. Its pods are evicted, and replaced elsewhere.

**How it is told from its look-alikes.** A program that watches the cloud says so by an Event about the node or by a taint.
A node that only does not report (NOD001) has neither. The finding is not trouble by itself and is shown only where a pod
ended because of it.

**What to do.** Nothing about the node. Workloads on spot nodes need replicas on others, a short grace period, and a
PodDisruptionBudget that lets one pod go at a time.

The reasons are those of the AWS node termination handler, Karpenter, the cluster autoscaler, the node problem detector on
Azure (VM scheduled events) and the cloud node lifecycle controller.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Node,
	Also:   evidence.Events,
	Effect: diagnosis.NodeLost,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		what, facts := takenBy(p)
		if what == "" {
			return
		}
		f := diagnosis.Finding{Confidence: diagnosis.Likely, Facts: facts}
		if node := p.Node(); node != nil && node.Spec.Unschedulable { // as who takes a node away does first
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Node, Source: evidence.FromSpec, About: p.About(), Where: "spec.unschedulable", Text: "unschedulable true",
			})
		}
		f.Message = fmt.Sprintf("node %s is going away: %s", p.About().Name, what)
		f.Fixes = []diagnosis.Fix{{Title: "Spread the pods over nodes that do not go away at once, and let each end within its grace period"}}
		p.Report(f)
	},
}

// takenBy says who takes the pass's node away, and cites what tells of it; empty where nobody does.
func takenBy(p *diagnosis.Pass) (what string, facts []evidence.Fact) {
	for _, e := range p.NodeEvents() {
		if says := notices[e.Reason]; says != "" {
			what = says
			facts = append(facts, e.Fact())
		}
	}
	if t, fact, ok := taintOf(p, func(t corev1.Taint) bool { return takenAway[t.Key] != "" }); ok {
		what = takenAway[t.Key]
		facts = append(facts, fact)
	}
	return what, facts
}

// notices are the Events about a node that say that its machine ends.
var notices = map[string]string{
	"SpotInterruption": "its spot instance is taken back", "SpotInterrupted": "its spot instance is taken back",
	"PreemptScheduled": "its spot instance is taken back", "TerminateScheduled": "its machine is to be deleted",
	"RebootScheduled": "its machine is to be rebooted", "RedeployScheduled": "its machine is to be moved to other hardware",
	"FreezeScheduled": "its machine is to be paused", "ScheduledEvent": "its cloud has scheduled maintenance",
	"TerminatingOnInterruption": "its instance is interrupted, and Karpenter drains it", "InstanceTerminating": "its instance is being terminated",
	"InstanceStopping": "its instance is being stopped", "DisruptionTerminating": "Karpenter removes or replaces it",
	"ScaleDown": "the cluster autoscaler removes it", "DeletingNode": "its machine does not exist any more", "ShutdownNode": "its machine is shut down",
}

// takenAway are the taints that say so.
var takenAway = map[string]string{
	"ToBeDeletedByClusterAutoscaler":              "the cluster autoscaler removes it",
	"karpenter.sh/disrupted":                      "Karpenter removes or replaces it",
	"karpenter.sh/disruption":                     "Karpenter removes or replaces it",
	"aws-node-termination-handler/spot-itn":       "its spot instance is taken back",
	"cloud.google.com/impending-node-termination": "its machine is about to be taken back",
	"node.cloudprovider.kubernetes.io/shutdown":   "its machine is shut down",
}
