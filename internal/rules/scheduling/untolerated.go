// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Untolerated recognises a pod that is kept off every node it could use by a taint.
var Untolerated = &diagnosis.Rule{
	ID:    "SCH002",
	Title: "Pod does not tolerate the taints of the nodes",
	Doc: `
Every node that the pod could use has a taint with the effect NoSchedule or NoExecute that the pod does not tolerate, or
is cordoned, which amounts to one. Somebody reserved the nodes, or the node controller marked them: not-ready,
unreachable, unschedulable, memory-pressure, disk-pressure, pid-pressure.

**How it is told from its look-alikes.** The condition PodScheduled says "untolerated taint" or "were unschedulable". Since
1.37 it no longer says which, so the taints are read from the nodes. Where some nodes lack room, those nodes' taints were
tolerated: that is SCH001. Where no node, tainted or not, matches the pod's selector, a toleration would not help: that
is SCH003. A NoExecute taint that comes later removes a pod that has a node; the pod is deleted then and not Pending.

**What to do.** Let the pod tolerate the taint if it belongs on those nodes, take the taint off if it is no longer meant,
uncordon, or repair the node that the controller has marked: that taint goes by itself.

The words are written in kubernetes pkg/scheduler/framework/plugins/tainttoleration and nodeunschedulable; recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.NodePressure, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v, ok := read(p)
		if !ok || v.decides(p) != taint {
			return
		}
		message := fmt.Sprintf("pod %s does not tolerate the taints of the nodes", p.About().Name)
		groups, facts := obstacles(p)
		var says []string
		var fixes []diagnosis.Fix
		for _, g := range groups {
			says, fixes = append(says, g.text+" of "+g.who()), append(fixes, g.fixes(p)...)
		}
		if len(says) > 0 {
			message = fmt.Sprintf("pod %s does not tolerate the taint %s", p.About().Name, strings.Join(says, ", nor "))
		}
		v.report(p, taint, message, facts, fixes...)
	},
}

// An obstacle is one taint and the nodes that have it.
type obstacle struct {
	taint corev1.Taint
	text  string
	nodes []string
}

// mostTaints bounds how many different taints and how many nodes of one are told.
const mostTaints = 4

// obstacles returns the taints that keep the pod off the nodes that match it, those of the most nodes first.
func obstacles(p *diagnosis.Pass) ([]obstacle, []evidence.Fact) {
	spec := p.PodSpec()
	var groups []obstacle
	var facts []evidence.Fact
	for _, n := range p.Nodes() {
		for i, t := range n.Spec.Taints {
			if t.Effect == corev1.TaintEffectPreferNoSchedule || tolerates(spec.Tolerations, t) || !matches(spec, n) {
				continue
			}
			at := slices.IndexFunc(groups, func(g obstacle) bool { return g.text == t.ToString() })
			if at < 0 {
				at = len(groups)
				groups = append(groups, obstacle{taint: t, text: t.ToString()})
			}
			groups[at].nodes = append(groups[at].nodes, n.Name)
			if len(facts) < mostTaints {
				facts = append(facts, cite(n, i))
			}
		}
	}
	slices.SortStableFunc(groups, func(a, b obstacle) int { return len(b.nodes) - len(a.nodes) })
	return groups[:min(len(groups), mostTaints)], facts
}

func cite(n *corev1.Node, i int) evidence.Fact {
	t := n.Spec.Taints[i]
	text := "key " + t.Key
	if t.Value != "" {
		text += ", value " + t.Value
	}
	return evidence.Fact{
		Kind: evidence.Node, Source: evidence.FromSpec, About: evidence.RefOf(n),
		Where: fmt.Sprintf("spec.taints[%d]", i), Text: text + ", effect " + string(t.Effect),
	}
}

func tolerates(tolerations []corev1.Toleration, t corev1.Taint) bool {
	return slices.ContainsFunc(tolerations, func(o corev1.Toleration) bool {
		return (o.Effect == "" || o.Effect == t.Effect) && (o.Key == "" || o.Key == t.Key) &&
			(o.Operator == corev1.TolerationOpExists || o.Value == t.Value)
	})
}

// who names the nodes, the first few where there are many.
func (o obstacle) who() string {
	if len(o.nodes) > mostTaints {
		return fmt.Sprintf("%d nodes (%s, …)", len(o.nodes), strings.Join(o.nodes[:mostTaints], ", "))
	}
	return "node " + strings.Join(o.nodes, ", ")
}

func (o obstacle) fixes(p *diagnosis.Pass) []diagnosis.Fix {
	first := o.nodes[0]
	switch {
	case o.taint.Key == corev1.TaintNodeUnschedulable:
		return []diagnosis.Fix{{Title: "Uncordon " + o.who() + ", if its maintenance is over", Command: "kubectl uncordon " + first}}
	case strings.HasPrefix(o.taint.Key, "node.kubernetes.io/"):
		return []diagnosis.Fix{{Title: "Repair " + o.who() + ": the taint then goes by itself", Command: "kubectl describe node " + first}}
	}
	workload, _ := p.Workload()
	return []diagnosis.Fix{{
		Title:   fmt.Sprintf("Let the pods of %s tolerate %s, if they belong on such nodes", workload, o.text),
		Command: fmt.Sprintf("kubectl edit -n %s %s", workload.Namespace, workload),
	}, {
		Title:   fmt.Sprintf("Take the taint %s off, if it is no longer meant", o.text),
		Command: fmt.Sprintf("kubectl taint nodes %s %s:%s-", first, o.taint.Key, o.taint.Effect),
	}}
}
