// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// TooLarge recognises a pod that finds no node with enough room.
var TooLarge = &diagnosis.Rule{
	ID:    "SCH001",
	Title: "No node has room for what the pod requests",
	Doc: `
The scheduler found no node where the pod's requests fit beside the requests of the pods that are there. Requests count,
not use: a node may be idle and full. The pod stays Pending without a node until room appears.

**How it is told from its look-alikes.** The condition PodScheduled, or the Event FailedScheduling, says "Insufficient cpu"
(memory, ephemeral-storage); an extended resource is SCH004, the number of pods SCH005. The scheduler names each node's
first obstacle and asks for room after taints and affinity, so nodes that lack room would do otherwise: this finding
stands even where more nodes have a taint (SCH002) or do not match the selector (SCH003), and tells of them. A pod that a
kubelet turned away with OutOfmemory had a node (ADM014). One that has a node by now is no longer held up.

**What to do.** Where the request is larger than the largest node's allocatable, no waiting helps: lower the request or
add larger nodes. Otherwise the nodes are full: add one, or remove requests that nobody uses.

The words are written in kubernetes pkg/scheduler/framework/plugins/noderesources/fit.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != room {
			return
		}
		var lacks []string
		var facts []evidence.Fact
		for _, r := range v.of(room) {
			text, cited := lack(p, v, r)
			lacks, facts = append(lacks, text), append(facts, cited...)
		}
		v.report(p, room, fmt.Sprintf("pod %s fits on no node: %s", p.About().Name, strings.Join(lacks, "; ")), facts, diagnosis.Fix{
			Title:   "Lower the requests to what the pod needs, or add room: a node, or a larger one",
			Command: "kubectl describe nodes",
		})
	},
}

// lack says how much of a resource is asked for and how much there is, and cites both.
func lack(p *diagnosis.Pass, v verdict, r reason) (string, []evidence.Fact) {
	name := strings.TrimPrefix(r.text, "Insufficient ")
	asked, facts := requested(p, corev1.ResourceName(name))
	node, most := largest(p.Nodes(), corev1.ResourceName(name))
	want := "it requests " + amount(asked, name)
	if asked.IsZero() { // only a part of the manifest is known
		want = "it requests more " + name + " than that"
	}
	if node == nil {
		return fmt.Sprintf("%s, and %d of %d nodes have less left", want, r.nodes, v.nodes), facts
	}
	facts = append(facts, allocatable(node, name))
	if asked.Cmp(most) > 0 {
		return fmt.Sprintf("%s, more than any node has: the largest, %s, has %s", want, node.Name, human(most, name)), facts
	}
	text := fmt.Sprintf("%s, and %d of %d nodes have less left", want, r.nodes, v.nodes)
	if free, has, ok := freest(p, name); ok {
		if has != node {
			facts = append(facts, allocatable(has, name))
		}
		return fmt.Sprintf("%s: node %s has the most, as %s", text, has.Name, free.Text), facts
	}
	return text + ": others' requests fill them", facts
}

// freest returns what is known of how much of a resource the requests of others leave, on the node that the pod could use
// where they leave the most.
func freest(p *diagnosis.Pass, name string) (best evidence.Fact, on *corev1.Node, ok bool) {
	for _, f := range p.Facts(evidence.Node, "free."+name) {
		node, ok := diagnosis.Get[*corev1.Node](p, "", strings.TrimPrefix(f.Where, "node/"))
		if ok && usable(p.PodSpec(), node) && (on == nil || f.Value > best.Value) {
			best, on = f, node
		}
	}
	return best, on, on != nil
}

// usable tells whether a pod may be put on a node, room aside.
func usable(spec *corev1.PodSpec, node *corev1.Node) bool {
	return matches(spec, node) && !node.Spec.Unschedulable && !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule && !tolerates(spec.Tolerations, t)
	})
}

func allocatable(node *corev1.Node, name string) evidence.Fact {
	q := node.Status.Allocatable[corev1.ResourceName(name)]
	return evidence.Fact{
		Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(node),
		Where: "status.allocatable." + name, Text: name + " " + q.String(),
	}
}

// largest returns the node with the most of a resource for pods; nil without nodes.
func largest(nodes []*corev1.Node, name corev1.ResourceName) (node *corev1.Node, most resource.Quantity) {
	for _, n := range nodes {
		if q := n.Status.Allocatable[name]; node == nil || q.Cmp(most) > 0 {
			node, most = n, q
		}
	}
	return node, most
}

// amount names so much of a resource: "200Gi of memory", "1 nvidia.com/gpu".
func amount(q resource.Quantity, name string) string {
	if name == "memory" || name == "ephemeral-storage" {
		return human(q, name) + " of " + name
	}
	return human(q, name) + " " + name
}

// human writes bytes with one decimal; anything else as the API does.
func human(q resource.Quantity, name string) string {
	if name != "memory" && name != "ephemeral-storage" {
		return q.String()
	}
	value := float64(q.Value())
	for _, unit := range []string{"", "Ki", "Mi"} {
		if value < 1024 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + unit
		}
		value /= 1024
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + "Gi"
}
