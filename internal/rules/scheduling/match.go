// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// matching returns how many nodes have the labels that the spec asks for.
func matching(spec *corev1.PodSpec, nodes []*corev1.Node) int {
	n := 0
	for _, node := range nodes {
		if matches(spec, node) {
			n++
		}
	}
	return n
}

// matches tells whether a node has the labels that the spec asks for: all of the nodeSelector and, where there are
// terms of required affinity, all of one term.
func matches(spec *corev1.PodSpec, node *corev1.Node) bool {
	if !labels.SelectorFromSet(spec.NodeSelector).Matches(labels.Set(node.Labels)) {
		return false
	}
	terms := required(spec)
	return terms == nil || slices.ContainsFunc(terms, func(t corev1.NodeSelectorTerm) bool { return termMatches(t, node) })
}

func required(spec *corev1.PodSpec) []corev1.NodeSelectorTerm {
	a := spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	return a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
}

// operators maps those of node selectors to those of label selectors.
var operators = map[corev1.NodeSelectorOperator]selection.Operator{
	corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
	corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
	corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
}

// termMatches tells whether a node meets every requirement of a term. An empty term matches nothing. The one field that
// can be asked for is the node's name.
func termMatches(term corev1.NodeSelectorTerm, node *corev1.Node) bool {
	ask := func(list []corev1.NodeSelectorRequirement, set labels.Set) bool {
		for _, e := range list {
			r, err := labels.NewRequirement(e.Key, operators[e.Operator], e.Values)
			if err != nil || !r.Matches(set) {
				return false
			}
		}
		return true
	}
	if len(term.MatchExpressions)+len(term.MatchFields) == 0 {
		return false
	}
	return ask(term.MatchExpressions, node.Labels) && ask(term.MatchFields, labels.Set{"metadata.name": node.Name})
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
