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

func TestUsable(t *testing.T) {
	taint := func(effect corev1.TaintEffect) []corev1.Taint {
		return []corev1.Taint{{Key: "team", Value: "red", Effect: effect}}
	}
	tolerant := func(key, value string, op corev1.TolerationOperator, effect corev1.TaintEffect) corev1.PodSpec {
		return corev1.PodSpec{Tolerations: []corev1.Toleration{{Key: key, Value: value, Operator: op, Effect: effect}}}
	}
	for name, test := range map[string]struct {
		spec corev1.PodSpec
		node corev1.NodeSpec
		want bool
	}{
		"plain":                       {corev1.PodSpec{}, corev1.NodeSpec{}, true},
		"other labels":                {corev1.PodSpec{NodeSelector: map[string]string{"pool": "red"}}, corev1.NodeSpec{}, false},
		"affinity to pods alone":      {corev1.PodSpec{Affinity: &corev1.Affinity{}}, corev1.NodeSpec{}, true},
		"preferred alone":             {corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}}, corev1.NodeSpec{}, true},
		"cordoned":                    {corev1.PodSpec{}, corev1.NodeSpec{Unschedulable: true}, false},
		"tainted":                     {corev1.PodSpec{}, corev1.NodeSpec{Taints: taint(corev1.TaintEffectNoSchedule)}, false},
		"better not":                  {corev1.PodSpec{}, corev1.NodeSpec{Taints: taint(corev1.TaintEffectPreferNoSchedule)}, true},
		"tolerated by value":          {tolerant("team", "red", "", ""), corev1.NodeSpec{Taints: taint(corev1.TaintEffectNoSchedule)}, true},
		"tolerated whatever it is":    {tolerant("", "", corev1.TolerationOpExists, ""), corev1.NodeSpec{Taints: taint(corev1.TaintEffectNoExecute)}, true},
		"another value tolerated":     {tolerant("team", "blue", "", ""), corev1.NodeSpec{Taints: taint(corev1.TaintEffectNoSchedule)}, false},
		"another key tolerated":       {tolerant("shop", "red", "", ""), corev1.NodeSpec{Taints: taint(corev1.TaintEffectNoSchedule)}, false},
		"another effect tolerated":    {tolerant("team", "red", "", corev1.TaintEffectNoExecute), corev1.NodeSpec{Taints: taint(corev1.TaintEffectNoSchedule)}, false},
		"that effect tolerated alone": {tolerant("team", "red", "", corev1.TaintEffectNoSchedule), corev1.NodeSpec{Taints: taint(corev1.TaintEffectNoSchedule)}, true},
	} {
		if got := usable(&test.spec, &corev1.Node{Spec: test.node}); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
