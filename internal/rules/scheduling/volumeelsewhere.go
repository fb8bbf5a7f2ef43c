// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// VolumeElsewhere recognises a pod whose volume can be reached only from nodes that it cannot use.
var VolumeElsewhere = &diagnosis.Rule{
	ID:    "SCH011",
	Title: "The pod's volume cannot be reached from any node that has a place for it",
	Doc: `
A volume belongs to a zone, or to one node, and so does every pod that uses it. The nodes from which the pod's volume can be
reached are gone, full, tainted or cordoned, and the others cannot reach it. It also happens that the volume is deleted
while its claim stays, that no volume in the right zone is free for a claim, or that another pod alone may use it.

**How it is told from its look-alikes.** The scheduler says "didn't match PersistentVolume's node affinity", before 1.34 "had
volume node affinity conflict", "had no available volume zone", "didn't find available persistent volumes to bind", or names
the access mode ReadWriteOncePod. The pod's own node affinity is SCH003, a claim that waits to be bound SCH012. Nodes that
were ruled out besides are often those of the right zone: what keeps the pod off these is the thing to remedy.

**What to do.** Bring back a node in the volume's zone, or make room there. If the zone is lost, restore the data from a
backup into a new claim. Use a class with volumeBindingMode WaitForFirstConsumer, so that volumes are made where pods fit.

The words are written in kubernetes pkg/scheduler/framework/plugins/volumebinding/binder.go, volumezone and
volumerestrictions; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.VolumeFailed, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v, name, facts := read(p), p.About().Name, claims(p)
		switch v.decided {
		case volumeUsed:
			v.report(p, volumeUsed, fmt.Sprintf("another pod uses the volume of pod %s, which only one pod may have at a time", name), facts,
				diagnosis.Fix{Title: "End the other pod, or use a claim that several pods may share", Command: "kubectl describe pvc -n " + p.About().Namespace})
		case volumePlace:
			place, more := places(p)
			message := fmt.Sprintf("the volume of pod %s cannot be reached from %s", name, v.on(volumePlace))
			if place != "" {
				message = fmt.Sprintf("volume %s of pod %s can be reached only from nodes with %s, and none of these takes it", more[0].About.Name, name, place)
				if len(p.Nodes()) > 0 && !reachable(p, more[0].About.Name) {
					message = strings.TrimSuffix(message, "none of these takes it") + "there is no such node"
				}
			}
			fix := diagnosis.Fix{Title: "Bring back a node where the volume is, or make room there", Command: "kubectl get pv -o custom-columns=NAME:.metadata.name,CLAIM:.spec.claimRef.name,NODES:.spec.nodeAffinity"}
			switch text := v.of(volumePlace)[0].text; {
			case strings.Contains(text, "bind"), strings.Contains(text, "free storage"):
				message = fmt.Sprintf("no volume is free for the claim of pod %s where it could run", name)
				fix.Title = "Make a volume that the claim may bind to, or give the claim a class that makes volumes"
			case strings.Contains(text, "non-existent"):
				message = fmt.Sprintf("the volume of pod %s is deleted, and its claim is bound to it still", name)
				fix.Title = "Restore the volume, or delete the claim and make it again"
			}
			v.report(p, volumePlace, message, append(facts, more...), fix)
		}
	},
}

// places says where the first of the pod's volumes that is bound to nodes can be reached, and cites all of them.
func places(p *diagnosis.Pass) (string, []evidence.Fact) {
	var first string
	var facts []evidence.Fact
	all, _ := known(p)
	for _, claim := range all {
		pv, ok := diagnosis.Get[*corev1.PersistentVolume](p, "", claim.Spec.VolumeName)
		if !ok {
			continue
		}
		var terms []string
		for i, t := range reachedFrom(pv) {
			for j, e := range t.MatchExpressions {
				terms = append(terms, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Key, strings.ToLower(string(e.Operator)), strings.Join(e.Values, " "))))
				facts = append(facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(pv),
					Where: fmt.Sprintf("spec.nodeAffinity.required.nodeSelectorTerms[%d].matchExpressions[%d]", i, j),
					Text:  expression(e.Key, string(e.Operator), e.Values),
				})
			}
		}
		first = cmp.Or(first, strings.Join(terms, ", "))
	}
	return first, facts
}

// reachedFrom returns the terms of a volume's node affinity, none where it has none.
func reachedFrom(pv *corev1.PersistentVolume) []corev1.NodeSelectorTerm {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return nil
	}
	return pv.Spec.NodeAffinity.Required.NodeSelectorTerms
}

// reachable tells whether the volume can be reached from one of the nodes that are known.
func reachable(p *diagnosis.Pass, volume string) bool {
	pv, _ := diagnosis.Get[*corev1.PersistentVolume](p, "", volume)
	return slices.ContainsFunc(p.Nodes(), func(n *corev1.Node) bool {
		return slices.ContainsFunc(reachedFrom(pv), func(t corev1.NodeSelectorTerm) bool { return termMatches(t, n) })
	})
}
