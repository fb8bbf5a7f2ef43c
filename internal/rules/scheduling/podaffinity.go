// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PodAffinity recognises a pod whose rules about other pods leave it no node.
var PodAffinity = &diagnosis.Rule{
	ID:    "SCH008",
	Title: "No node satisfies the pod's rules about other pods",
	Doc: `
The pod must not be where certain pods are (anti-affinity), or must be where certain pods are (affinity), and no node is
left. Most often a workload that forbids two of its pods on one node has more replicas than there are nodes, which a rolling
update reaches by one; or an affinity asks for pods that do not exist; or both rules ask about the same pods.

**How it is told from its look-alikes.** The scheduler says "didn't match pod anti-affinity rules", "didn't match pod affinity
rules", or, where the pods that are there forbid this one, "didn't satisfy existing pods anti-affinity rules". Affinity to
nodes is SCH003, topology spread SCH009. Where more nodes lack room than break these rules it is SCH001. Preferred rules keep
no pod from a node. The rules of the pod's own manifest tell contradictory ones from those that more nodes would satisfy.

**What to do.** Make the rule preferred, ask for fewer replicas or add nodes; correct the labels that the affinity asks for;
of rules that contradict each other remove one. Let a rolling update remove a pod first (maxSurge 0).

The words are written in kubernetes pkg/scheduler/framework/plugins/interpodaffinity/filtering.go; recorded from
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
		k := v.decided
		if k != apart && k != together {
			return
		}
		name := p.About().Name
		near, far := affinities(p.PodSpec())
		facts := slices.Concat(citeTerms(p, "podAffinity", near), citeTerms(p, "podAntiAffinity", far))
		fix := diagnosis.Fix{Title: "Make the rule preferred (preferredDuringSchedulingIgnoredDuringExecution), ask for fewer replicas, or add nodes", Command: edit(p)}
		var message string
		switch {
		case contradict(near, far):
			message = fmt.Sprintf("pod %s must be beside certain pods and must not be beside the same pods: its affinity and anti-affinity contradict each other", name)
			fix.Title = "Remove the affinity or the anti-affinity: together they leave no node"
		case k == together:
			message = fmt.Sprintf("pod %s must be beside pods with %s, and no node that it could use has one", name, selectors(near))
			fix = diagnosis.Fix{Title: "Correct the labels that the affinity asks for, or start those pods first", Command: "kubectl get pods -n " + p.About().Namespace + " --show-labels"}
		case selectsItself(p, far):
			message = fmt.Sprintf("pod %s must not share a %s with another pod of its workload, and %s have one already", name, domain(far), v.on(k))
		case len(far) > 0:
			message = fmt.Sprintf("pod %s must not be beside pods with %s, which %s have", name, selectors(far), v.on(k))
		default:
			message = fmt.Sprintf("pods on %s do not let pod %s beside them by their anti-affinity", v.on(k), name)
			fix = diagnosis.Fix{Title: "Look for the pods with an anti-affinity that selects this one", Command: "kubectl get pods -A -o wide"}
		}
		v.report(p, k, message, facts, fix)
	},
}

// affinities returns the pod's required terms of affinity and anti-affinity.
func affinities(spec *corev1.PodSpec) (near, far []corev1.PodAffinityTerm) {
	if a := spec.Affinity; a != nil && a.PodAffinity != nil {
		near = a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	if a := spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		far = a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return near, far
}

func citeTerms(p *diagnosis.Pass, field string, terms []corev1.PodAffinityTerm) []evidence.Fact {
	var facts []evidence.Fact
	for i, t := range terms {
		where := fmt.Sprintf("spec.affinity.%s.requiredDuringSchedulingIgnoredDuringExecution[%d]", field, i)
		facts = append(facts, citeSelector(p, where, t.LabelSelector)...)
		facts = append(facts, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: where + ".topologyKey", Text: "topologyKey " + t.TopologyKey,
		})
	}
	return facts
}

// citeSelector cites the labels that the labelSelector at a place of the pod asks for.
func citeSelector(p *diagnosis.Pass, where string, selector *metav1.LabelSelector) []evidence.Fact {
	if selector == nil {
		return nil
	}
	fact := evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About()}
	var facts []evidence.Fact
	var labels []string
	for _, key := range sortedKeys(selector.MatchLabels) {
		labels = append(labels, key+" "+selector.MatchLabels[key])
	}
	if len(labels) > 0 {
		fact.Where, fact.Text = where+".labelSelector.matchLabels", strings.Join(labels, ", ")
		facts = append(facts, fact)
	}
	for i, e := range selector.MatchExpressions {
		fact.Where = fmt.Sprintf("%s.labelSelector.matchExpressions[%d]", where, i)
		fact.Text = expression(e.Key, string(e.Operator), e.Values)
		facts = append(facts, fact)
	}
	return facts
}

// expression writes a selector's expression as facts do.
func expression(key, operator string, values []string) string {
	text := fmt.Sprintf("key %s, operator %s", key, operator)
	if len(values) > 0 {
		text += ", values " + strings.Join(values, " ")
	}
	return text
}

// contradict tells whether an affinity asks for the pods that an anti-affinity forbids, in the same or a smaller domain.
func contradict(near, far []corev1.PodAffinityTerm) bool {
	return slices.ContainsFunc(near, func(n corev1.PodAffinityTerm) bool {
		return slices.ContainsFunc(far, func(f corev1.PodAffinityTerm) bool {
			same := metav1.FormatLabelSelector(n.LabelSelector) == metav1.FormatLabelSelector(f.LabelSelector)
			return same && (n.TopologyKey == f.TopologyKey || n.TopologyKey == corev1.LabelHostname)
		})
	})
}

// selectsItself tells whether one of the terms selects the pass's own pod, and with it the others of its workload.
func selectsItself(p *diagnosis.Pass, terms []corev1.PodAffinityTerm) bool {
	return slices.ContainsFunc(terms, func(t corev1.PodAffinityTerm) bool {
		selector, err := metav1.LabelSelectorAsSelector(t.LabelSelector)
		return err == nil && selector.Matches(labels.Set(p.PodMeta().Labels))
	})
}

func selectors(terms []corev1.PodAffinityTerm) string {
	var list []string
	for _, t := range terms {
		list = append(list, metav1.FormatLabelSelector(t.LabelSelector))
	}
	if len(list) == 0 {
		return "certain labels"
	}
	return "the labels " + strings.Join(list, " and ")
}

// domain names what two pods must not share.
func domain(terms []corev1.PodAffinityTerm) string {
	if terms[0].TopologyKey == corev1.LabelHostname {
		return "node"
	}
	return terms[0].TopologyKey
}
