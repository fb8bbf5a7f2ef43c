// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Drained recognises a node that somebody empties, which is why its pods move.
var Drained = &diagnosis.Rule{
	ID:    "EVC011",
	Title: "Node is drained",
	Doc: `
The node was closed to new pods, and then its pods are evicted through the API, as kubectl drain and tools for upgrades do. Each pod
is replaced elsewhere by its controller; what happens to all of them has this one cause.

**How it is told from its look-alikes.** The node is unschedulable, and a pod of it that is being deleted has the condition
DisruptionTarget with the reason EvictionByEvictionAPI, not from before the node was closed. A node that is closed and keeps its pods is
not drained; one whose pods a PodDisruptionBudget holds back is EVC010. Where an Event of the pod says that somebody else evicted it, as
the vertical pod autoscaler or the descheduler, that says nothing of the node. A node that its cloud or an autoscaler takes away is
EVC009. The finding is not trouble by itself and is shown only where a pod ended because of it.

**What to do.** Nothing, if the node is to be emptied; open it again when the work is done. Where the drain costs availability, run more
than one replica with a PodDisruptionBudget that lets one pod go at a time, and handle SIGTERM.

kubectl closes the node and then evicts: kubernetes staging/src/k8s.io/kubectl/pkg/cmd/drain; the node controller makes the taint of it a
moment later: pkg/controller/nodelifecycle.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Node | evidence.Status,
	Also:   evidence.Spec | evidence.Events,
	Effect: diagnosis.NodeDrained,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		node := p.Node()
		if node == nil || !node.Spec.Unschedulable {
			return
		}
		if what, _ := takenBy(p); what != "" {
			return
		}
		closed := evidence.Fact{
			Kind: evidence.Node, Source: evidence.FromSpec, About: p.About(), Where: "spec.unschedulable", Text: "unschedulable true",
		}
		if _, fact, ok := taintOf(p, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeUnschedulable }); ok {
			closed = fact
		}
		evicted := leaving(p, closed.At)
		if len(evicted) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{closed}, evicted[:min(len(evicted), mostEvicted)]...),
			Message: fmt.Sprintf("node %s is drained: it is closed to new pods, and its pods are evicted through the API", p.About().Name),
			Fixes: []diagnosis.Fix{
				{Title: fmt.Sprintf("Let it be, if node %s is to be emptied: controllers make its pods anew elsewhere", p.About().Name)},
				{Title: fmt.Sprintf("Open node %s again, when the work is done or nobody meant it", p.About().Name), Command: "kubectl uncordon " + p.About().Name},
			},
		})
	},
}

const (
	// mostEvicted is how many evicted pods are cited.
	mostEvicted = 3
	// closing is by how much the taint of a closed node may come later than the first eviction, which waits for no taint.
	closing = 10 * time.Second
)

// leaving cites the evictions of pods that leave the pass's node since it was closed, zero for an unknown time, the first one first.
func leaving(p *diagnosis.Pass, closed time.Time) []evidence.Fact {
	var facts []evidence.Fact
	for _, pod := range diagnosis.List[*corev1.Pod](p, p.About()) {
		i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Reason == "EvictionByEvictionAPI" })
		if i < 0 || pod.DeletionTimestamp == nil || pod.Status.Conditions[i].LastTransitionTime.Time.Before(closed.Add(-closing)) {
			continue
		}
		if slices.ContainsFunc(p.EventsOf(evidence.RefOf(pod)), func(e evidence.Event) bool { return evictorOf(e) != "" && e.Reason != "Drain" }) {
			continue
		}
		c := &pod.Status.Conditions[i]
		facts = append(facts, evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(pod), At: c.LastTransitionTime.UTC(),
			Where: fmt.Sprintf("status.conditions[%s]", c.Type), Text: fmt.Sprintf("status %s, reason %s, message %s", c.Status, c.Reason, c.Message),
		})
	}
	slices.SortStableFunc(facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	return facts
}
