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

// NoMatch recognises a pod whose own node selector or required node affinity no node matches.
var NoMatch = &diagnosis.Rule{
	ID:    "SCH003",
	Title: "No node matches the pod's node selector or affinity",
	Doc: `
The pod asks for nodes with certain labels, by nodeSelector or by required node affinity, and no node has them. The label
was misspelt, never set, renamed by an upgrade, or belongs to a group of nodes that is scaled to none.

**How it is told from its look-alikes.** The scheduler says "didn't match Pod's node affinity/selector", before 1.22
"didn't match Pod's node affinity", before 1.20 "didn't match node selector". The node affinity of a volume is SCH011. Where
other nodes passed that test and failed a later one, for room (SCH001) or for other pods and volumes, the labels are not
what holds the pod up. Where nodes have taints as well, the labels of the nodes decide: if one matches and is tainted it
is SCH002. Preferred affinity keeps no pod from a node, and affinity to other pods is worded otherwise.

**What to do.** Compare what is asked for with the labels that the nodes have; label a node, or correct the selector.

The words are written in kubernetes pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go; recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != selector {
			return
		}
		spec := p.PodSpec()
		facts, keys := asks(p)
		fix := diagnosis.Fix{Title: "Label a node as the pod asks for, or correct what it asks for", Command: "kubectl get nodes --show-labels"}
		if len(keys) > 0 {
			fix.Command = "kubectl get nodes -L " + strings.Join(keys, ",")
		}
		message := fmt.Sprintf("no node matches the required node affinity of pod %s", p.About().Name)
		if len(spec.NodeSelector) > 0 {
			message = fmt.Sprintf("no node has %s, which the nodeSelector of pod %s asks for", wanted(spec, p.Nodes()), p.About().Name)
		}
		v.report(p, selector, message, facts, fix)
	},
}

// asks cites every label that the spec asks for and returns their keys.
func asks(p *diagnosis.Pass) (facts []evidence.Fact, keys []string) {
	spec := p.PodSpec()
	cite := func(where, text, key string) {
		facts = append(facts, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: "spec." + where, Text: text,
		})
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, key := range sortedKeys(spec.NodeSelector) {
		cite("nodeSelector."+key, key+" "+spec.NodeSelector[key], key)
	}
	for i, term := range required(spec) {
		for j, e := range term.MatchExpressions {
			cite(fmt.Sprintf("affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[%d].matchExpressions[%d]", i, j),
				expression(e.Key, string(e.Operator), e.Values), e.Key)
		}
	}
	return facts, keys
}

// wanted names the labels of the nodeSelector that no node has, with the values that there are instead; all of them
// where each is somewhere and nowhere together.
func wanted(spec *corev1.PodSpec, nodes []*corev1.Node) string {
	var lacking, all []string
	for _, key := range sortedKeys(spec.NodeSelector) {
		label := key + "=" + spec.NodeSelector[key]
		all = append(all, label)
		values := map[string]string{}
		for _, n := range nodes {
			if value, ok := n.Labels[key]; ok {
				values[value] = key
			}
		}
		if _, ok := values[spec.NodeSelector[key]]; ok || len(nodes) == 0 {
			continue
		}
		if list := sortedKeys(values); len(list) > 0 {
			label += " (there is " + strings.Join(list[:min(len(list), mostTaints)], ", ") + ")"
		}
		lacking = append(lacking, label)
	}
	if len(lacking) > 0 {
		return "the label " + strings.Join(lacking, " or ")
	}
	return "the label " + strings.Join(all, " and ")
}
