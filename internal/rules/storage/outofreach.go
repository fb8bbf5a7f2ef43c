// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// OutOfReach recognises a bound claim whose volume cannot be used from any node that would take the pod.
var OutOfReach = &diagnosis.Rule{
	ID:    "STO009",
	Title: "Volume of a claim is out of reach of the nodes that are left",
	Doc: `
The claim is bound to a volume that exists in one place: on one node, or in one zone. No node there takes the pod that uses
the claim: the node is gone, cordoned or full, or the pod itself asks to be elsewhere.

**How it is told from its look-alikes.** The scheduler's word in the pod's condition PodScheduled is "didn't match
PersistentVolume's node affinity", before 1.36 or so "volume node affinity conflict" (or "no available volume zone"). The node affinity of the volume is compared with the labels of all nodes, and the
finding says which node could use the volume and what keeps the pod from it. Of several claims of one pod, those whose
volume is within reach of a node that is free are not the reason.

**What to do.** Bring a node back where the volume is, or free one there; if the place is gone for good, restore the data
into a new claim. A StorageClass with WaitForFirstConsumer makes volumes where the pod can run.

The words are those of kubernetes pkg/scheduler/framework/plugins (volumebinding, volumezone).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.NodePressure},
	Run: func(p *diagnosis.Pass) {
		c := p.Object(p.About()).(*corev1.PersistentVolumeClaim)
		pv, ok := diagnosis.Get[*corev1.PersistentVolume](p, "", c.Spec.VolumeName)
		if !ok || len(terms(pv)) == 0 {
			return
		}
		pods := users(p, c)
		i := slices.IndexFunc(pods, conflicts)
		if i < 0 || freeOn(p, pv) && otherIsOut(p, pods[i]) {
			return
		}
		said := unscheduled(pods[i])
		f := diagnosis.Finding{
			At: said.LastTransitionTime.Time, Confidence: diagnosis.Certain,
			Facts: []evidence.Fact{{
				Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(pods[i]), At: said.LastTransitionTime.Time,
				Where: "status.conditions[PodScheduled]", Text: conditionText(string(said.Status), said.Reason, said.Message),
			}},
			Message: fmt.Sprintf("volume %s of claim %s is only within reach of %s, and %s", pv.Name, c.Name, place(pv), reachable(p, pv)),
		}
		f.Facts = append(f.Facts, citePlace(pv)...)
		f.Fixes = []diagnosis.Fix{
			{Title: "Bring a node back where the volume is (" + place(pv) + "), or make room on one", Command: "kubectl get nodes --show-labels; kubectl describe pv " + pv.Name},
			{Title: fmt.Sprintf("Restore the data into a new claim, if that place is gone for good: claim %s will not move", c.Name)},
		}
		p.Report(f)
	},
}

// conflicts tells whether the scheduler said that a volume of the pod is elsewhere.
func conflicts(pod *corev1.Pod) bool {
	said := unscheduled(pod).Message
	return strings.Contains(said, "volume node affinity conflict") || strings.Contains(said, "match PersistentVolume's node affinity") ||
		strings.Contains(said, "no available volume zone")
}

// freeOn tells whether a node that could take a pod reaches the volume.
func freeOn(p *diagnosis.Pass, pv *corev1.PersistentVolume) bool {
	return slices.ContainsFunc(p.Nodes(), func(n *corev1.Node) bool { return reaches(pv, n) && obstacle(n) == "" })
}

// otherIsOut tells whether a volume of the pod is out of reach of every node that could take it.
func otherIsOut(p *diagnosis.Pass, pod *corev1.Pod) bool {
	return slices.ContainsFunc(evidence.ClaimsOf(pod), func(ref evidence.Ref) bool {
		c, ok := p.Object(ref).(*corev1.PersistentVolumeClaim)
		if !ok {
			return false
		}
		other, ok := diagnosis.Get[*corev1.PersistentVolume](p, "", c.Spec.VolumeName)
		return ok && !freeOn(p, other)
	})
}

// obstacle says why no pod is put on a node, or "".
func obstacle(n *corev1.Node) string {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return "not ready"
		}
	}
	if n.Spec.Unschedulable {
		return "cordoned"
	}
	return ""
}

// reachable says which of the nodes could use the volume, and what keeps a pod from them.
func reachable(p *diagnosis.Pass, pv *corev1.PersistentVolume) string {
	nodes := p.Nodes()
	if len(nodes) == 0 {
		return "no node there takes the pod"
	}
	var list []string
	for _, n := range nodes {
		if why := obstacle(n); reaches(pv, n) && why != "" {
			list = append(list, n.Name+" is "+why)
		} else if reaches(pv, n) {
			list = append(list, n.Name+" does not take the pod")
		}
	}
	if len(list) == 0 {
		return "there is no such node"
	}
	return strings.Join(list[:min(len(list), 3)], ", ")
}

// conditionText is what a condition says, as facts print it.
func conditionText(status, reason, message string) string {
	text := "status " + status
	if reason != "" {
		text += ", reason " + reason
	}
	if message != "" {
		text += ", message " + message
	}
	return text
}

// citePlace makes facts of where a volume is.
func citePlace(pv *corev1.PersistentVolume) []evidence.Fact {
	var facts []evidence.Fact
	for i, t := range terms(pv) {
		for j, e := range t.MatchExpressions {
			text := fmt.Sprintf("key %s, operator %s", e.Key, e.Operator)
			if len(e.Values) > 0 {
				text += ", values " + strings.Join(e.Values, " ")
			}
			facts = append(facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(pv),
				Where: fmt.Sprintf("spec.nodeAffinity.required.nodeSelectorTerms[%d].matchExpressions[%d]", i, j), Text: text,
			})
		}
	}
	return facts
}

// place says in words where a volume is.
func place(pv *corev1.PersistentVolume) string {
	var wanted []string
	for _, t := range terms(pv) {
		for _, e := range t.MatchExpressions {
			words := []string{e.Key, strings.ToLower(string(e.Operator)), strings.Join(e.Values, " or ")}
			if e.Operator == corev1.NodeSelectorOpIn || e.Operator == corev1.NodeSelectorOpExists {
				words[1] = ""
			}
			wanted = append(wanted, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
		}
	}
	return "nodes with " + strings.Join(wanted, ", ")
}
