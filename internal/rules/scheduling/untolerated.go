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
Every node that the pod could use has a taint with the effect NoSchedule or NoExecute that the pod does not tolerate.
Somebody reserved the nodes, or the node controller marked them: not-ready, unreachable, memory-pressure, disk-pressure,
pid-pressure; or a cloud provider or network plugin has not finished setting them up.

**How it is told from its look-alikes.** The scheduler says "untolerated taint"; before 1.24 "had taint {…}, that the pod
didn't tolerate". Since 1.37 it no longer says which, so the taints are read from the nodes where these are known. Where
some nodes lack room, those nodes' taints were tolerated: that is SCH001. Where no node, tainted or not, matches the pod's
selector, a toleration would not help: that is SCH003. A cordon is SCH007. The taint of the control plane's nodes counts only
where nothing else keeps the pod off the others. A NoExecute taint that comes later removes a pod that has a node.

**What to do.** Let the pod tolerate the taint if it belongs on those nodes, take the taint off if it is no longer meant, or
repair the node that the controller has marked: that taint goes by itself.

The words are written in kubernetes pkg/scheduler/framework/plugins/tainttoleration; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.NodePressure, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != taint {
			return
		}
		groups, facts := obstacles(p)
		if len(groups) == 0 {
			groups = told(v)
		}
		var said []string
		var fixes []diagnosis.Fix
		var nodes []evidence.Ref
		for _, g := range groups {
			said, fixes = append(said, g.text+" of "+g.who()), append(fixes, g.fixes(p)...)
			for _, name := range g.nodes {
				nodes = append(nodes, evidence.RefTo("Node", "", name))
			}
		}
		message := fmt.Sprintf("pod %s does not tolerate the taints of the nodes", p.About().Name)
		if len(said) > 0 {
			message = fmt.Sprintf("pod %s does not tolerate the taint %s", p.About().Name, strings.Join(said, ", nor "))
		}
		v.through(p, taint, message, facts, nodes, fixes...)
	},
}

// An obstacle is one taint and the nodes that have it.
type obstacle struct {
	taint corev1.Taint
	text  string
	nodes []string
	count int // of nodes, where their names are not known
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
			if t.Effect == corev1.TaintEffectPreferNoSchedule || t.Key == corev1.TaintNodeUnschedulable || tolerates(spec.Tolerations, t) || !matches(spec, n) {
				continue
			}
			at := slices.IndexFunc(groups, func(g obstacle) bool { return g.text == t.ToString() })
			if at < 0 {
				at = len(groups)
				groups = append(groups, obstacle{taint: t, text: t.ToString()})
			}
			groups[at].nodes = append(groups[at].nodes, n.Name)
			facts = append(facts, cite(n, i))
		}
	}
	slices.SortStableFunc(groups, func(a, b obstacle) int { return len(b.nodes) - len(a.nodes) })
	return groups[:min(len(groups), mostTaints)], facts[:min(len(facts), mostTaints)]
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
