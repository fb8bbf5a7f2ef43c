// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTermMatches(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"pool": "blue", "cores": "8"}}}
	one := func(key string, op corev1.NodeSelectorOperator, values ...string) []corev1.NodeSelectorRequirement {
		return []corev1.NodeSelectorRequirement{{Key: key, Operator: op, Values: values}}
	}
	for name, test := range map[string]struct {
		term corev1.NodeSelectorTerm
		want bool
	}{
		"empty":            {corev1.NodeSelectorTerm{}, false},
		"in":               {corev1.NodeSelectorTerm{MatchExpressions: one("pool", corev1.NodeSelectorOpIn, "red", "blue")}, true},
		"not in":           {corev1.NodeSelectorTerm{MatchExpressions: one("pool", corev1.NodeSelectorOpNotIn, "blue")}, false},
		"exists":           {corev1.NodeSelectorTerm{MatchExpressions: one("gpu", corev1.NodeSelectorOpExists)}, false},
		"greater":          {corev1.NodeSelectorTerm{MatchExpressions: one("cores", corev1.NodeSelectorOpGt, "4")}, true},
		"of a later API":   {corev1.NodeSelectorTerm{MatchExpressions: one("pool", "Near", "blue")}, false},
		"name":             {corev1.NodeSelectorTerm{MatchFields: one("metadata.name", corev1.NodeSelectorOpIn, "n1")}, true},
		"name and a label": {corev1.NodeSelectorTerm{MatchFields: one("metadata.name", corev1.NodeSelectorOpIn, "n2"), MatchExpressions: one("pool", corev1.NodeSelectorOpIn, "blue")}, false},
		"label and a name": {corev1.NodeSelectorTerm{MatchFields: one("metadata.name", corev1.NodeSelectorOpIn, "n1"), MatchExpressions: one("pool", corev1.NodeSelectorOpIn, "red")}, false},
	} {
		if got := termMatches(test.term, node); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func TestWho(t *testing.T) {
	for want, o := range map[string]obstacle{
		"1 node": {count: 1}, "3 nodes": {count: 3}, "node a, b": {nodes: []string{"a", "b"}}, "5 nodes (a, b, c, d, …)": {nodes: []string{"a", "b", "c", "d", "e"}},
	} {
		if got := o.who(); got != want {
			t.Errorf("who = %q, want %q", got, want)
		}
	}
}
