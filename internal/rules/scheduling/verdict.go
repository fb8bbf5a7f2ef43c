// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A kind is what ruled nodes out.
type kind int

const (
	none     kind = iota
	taint         // a taint, or the cordon, which is one
	selector      // the pod's own nodeSelector or node affinity
	room          // too little of a resource
	later         // volumes, ports, spread, other pods: no rule of this family
)

// A reason is why the scheduler ruled out some nodes.
type reason struct {
	kind  kind
	nodes int
	text  string
}

// A verdict is what the scheduler last said of the pass's pod.
type verdict struct {
	nodes   int // that it looked at
	reasons []reason
	fact    evidence.Fact
}

// read returns the scheduler's verdict from the pod's condition; false when the pod has a node or waits for no verdict.
func read(p *diagnosis.Pass) (verdict, bool) {
	for _, c := range p.PodStatus().Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		v, ok := parse(c.Message)
		v.fact, _ = p.CitePodCondition(corev1.PodScheduled)
		return v, ok
	}
	return verdict{}, false
}

// decides returns what has to change for the pod to find a node. The scheduler asks taints first, then affinity, then
// room, then the rest, and gives each node's first obstacle: a node that lacks room has passed the taints and the
// affinity. So room decides where it occurs, unless more nodes failed later still. Between taints and affinity the
// labels of the nodes decide: where no node matches, tolerating a taint would not help.
func (v verdict) decides(p *diagnosis.Pass) kind {
	n := map[kind]int{}
	for _, r := range v.reasons {
		n[r.kind] += r.nodes
	}
	nodes := p.Nodes()
	switch {
	case n[room] > 0 && n[room] >= n[later]:
		return room
	case n[later] > 0:
		return none
	case n[taint] > 0 && n[selector] > 0 && len(nodes) > 0:
		if matching(p.PodSpec(), nodes) > 0 {
			return taint
		}
		return selector
	case n[taint] >= n[selector]:
		return taint
	default:
		return selector
	}
}

// others tells of the nodes that were ruled out for something else than k, or returns "".
func (v verdict) others(k kind) string {
	var list []string
	for _, r := range v.reasons {
		if r.kind == k {
			continue
		}
		says := map[kind]string{taint: "a taint", selector: "the pod's own node selector or affinity", room: "too little room"}[r.kind]
		if says == "" {
			says = strings.TrimPrefix(r.text, "node(s) ")
		}
		list = append(list, fmt.Sprintf("%d of %d nodes by %s", r.nodes, v.nodes, says))
	}
	if len(list) == 0 {
		return ""
	}
	return "; ruled out besides: " + strings.Join(list, ", ")
}

func (v verdict) report(p *diagnosis.Pass, k kind, message string, facts []evidence.Fact, fixes ...diagnosis.Fix) {
	p.Report(diagnosis.Finding{
		Confidence: diagnosis.Certain, Message: message + v.others(k),
		Facts: append([]evidence.Fact{v.fact}, facts...), Fixes: fixes,
	})
}
