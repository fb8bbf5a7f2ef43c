// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Cordoned recognises a pod that is kept off the nodes it could use because somebody cordoned them.
var Cordoned = &diagnosis.Rule{
	ID:    "SCH007",
	Title: "The nodes that the pod could use are cordoned",
	Doc: `
Somebody, or a program that maintains nodes, has marked nodes as unschedulable: kubectl cordon, kubectl drain, a node upgrade
that did not come to its end, an autoscaler that is about to remove the node. Pods that are there go on; new ones go
elsewhere, and here there is no elsewhere.

**How it is told from its look-alikes.** The scheduler says "were unschedulable", in place of a taint. Where the other nodes
lack room (SCH001) they would do but for that; where they have a taint (SCH002) or do not match the selector (SCH003) the
greater number decides. A node that is not ready has a taint and no cordon, unless it was cordoned as well.

**What to do.** Uncordon the node when its maintenance is over. The finding names when the last of the nodes was closed, by
the time of its taint, and by which program, as far as the API server keeps it; which person it was, the audit log says.
Otherwise add a node.

The words are written in kubernetes pkg/scheduler/framework/plugins/nodeunschedulable; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != cordon {
			return
		}
		var closed obstacle
		var facts []evidence.Fact
		var last evidence.Fact // of those closed at a known time
		for _, n := range p.Nodes() {
			if !n.Spec.Unschedulable || !matches(p.PodSpec(), n) {
				continue
			}
			closed.nodes = append(closed.nodes, n.Name)
			fact := closing(n)
			facts = append(facts, fact)
			if fact.At.After(last.At) {
				last = fact
			}
		}
		for _, r := range v.of(cordon) {
			closed.count += r.nodes
		}
		who := strings.TrimPrefix(closed.who(), "node ")
		message := fmt.Sprintf("pod %s waits because the nodes that it could use are cordoned: %s", p.About().Name, who)
		facts = facts[:min(len(facts), mostTaints)]
		if !last.At.IsZero() {
			node, _ := diagnosis.Get[*corev1.Node](p, "", last.About.Name)
			by, wrote := closer(node)
			which := ""
			if len(closed.nodes) > 1 {
				which = node.Name + " last, "
			}
			message += fmt.Sprintf(" (%sat %s%s)", which, last.At.Format(time.RFC3339), by)
			facts = append(facts, wrote...)
		}
		v.report(p, cordon, message, facts, diagnosis.Fix{
			Title: "Uncordon " + closed.who() + ", if the maintenance is over", Command: uncordon(closed.nodes),
		})
	},
}

// uncordon is the command for the first few of the nodes, or to find them.
func uncordon(nodes []string) string {
	if len(nodes) == 0 {
		return "kubectl get nodes"
	}
	return "kubectl uncordon " + strings.Join(nodes[:min(len(nodes), mostTaints)], " ")
}

// closing cites that a node is closed to new pods, at the time when the node controller followed with the taint.
func closing(n *corev1.Node) evidence.Fact {
	fact := evidence.Fact{
		Kind: evidence.Node, Source: evidence.FromSpec, About: evidence.RefOf(n), Where: "spec.unschedulable", Text: "unschedulable true",
	}
	for _, t := range n.Spec.Taints {
		if t.Key == corev1.TaintNodeUnschedulable && t.TimeAdded != nil {
			fact.At = t.TimeAdded.UTC()
		}
	}
	return fact
}

// closer says which program closed a node, as far as the API server kept it, with the fact that says so.
func closer(n *corev1.Node) (by string, facts []evidence.Fact) {
	var newest time.Time
	for _, e := range n.ManagedFields {
		if e.Time == nil || e.FieldsV1 == nil || !strings.Contains(string(e.FieldsV1.GetRawBytes()), `"f:unschedulable"`) || e.Time.Before(&metav1.Time{Time: newest}) {
			continue
		}
		newest = e.Time.Time
		by, facts = " by "+e.Manager, []evidence.Fact{{
			Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(n), At: e.Time.UTC(),
			Where: "metadata.managedFields[" + e.Manager + "]", Text: "manager " + e.Manager + ", operation " + string(e.Operation),
		}}
	}
	return by, facts
}
