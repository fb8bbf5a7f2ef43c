// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func mode(m *corev1.PersistentVolumeMode) corev1.PersistentVolumeMode {
	if m == nil {
		return corev1.PersistentVolumeFilesystem
	}
	return *m
}

// modes lists access modes as kubectl does.
func modes(list []corev1.PersistentVolumeAccessMode) string {
	var names []string
	for _, m := range list {
		names = append(names, string(m))
	}
	return strings.Join(names, " ")
}

func selects(s *metav1.LabelSelector, set map[string]string) bool {
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(set))
}

// citeVolume makes facts of a volume's phase and of the field that keeps it from a claim.
func citeVolume(pv *corev1.PersistentVolume, where, text string) []evidence.Fact {
	facts := []evidence.Fact{{
		Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(pv), Where: "status.phase", Text: "phase " + string(pv.Status.Phase),
	}}
	if where == "" {
		return facts
	}
	return append(facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(pv), Where: where, Text: text})
}

// operators maps those of node selectors to those of label selectors.
var operators = map[corev1.NodeSelectorOperator]selection.Operator{
	corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
	corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
	corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
}

// terms returns the terms of a volume's node affinity; none: it can be used from every node.
func terms(pv *corev1.PersistentVolume) []corev1.NodeSelectorTerm {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return nil
	}
	return pv.Spec.NodeAffinity.Required.NodeSelectorTerms
}

// reaches tells whether a volume can be used from a node: where it has node affinity, one of its required terms must hold.
func reaches(pv *corev1.PersistentVolume, node *corev1.Node) bool {
	list := terms(pv)
	return len(list) == 0 || slices.ContainsFunc(list, func(t corev1.NodeSelectorTerm) bool {
		return !slices.ContainsFunc(t.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool {
			r, err := labels.NewRequirement(e.Key, operators[e.Operator], e.Values)
			return err != nil || !r.Matches(labels.Set(node.Labels))
		})
	})
}
