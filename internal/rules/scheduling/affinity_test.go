// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestContradict(t *testing.T) {
	term := func(app, key string) []corev1.PodAffinityTerm {
		return []corev1.PodAffinityTerm{{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}, TopologyKey: key}}
	}
	const zone, host = corev1.LabelTopologyZone, corev1.LabelHostname
	for name, test := range map[string]struct {
		near, far []corev1.PodAffinityTerm
		want      bool
	}{
		"same pods, same domain":                   {term("cache", zone), term("cache", zone), true},
		"same pods, on their node and not in zone": {term("cache", host), term("cache", zone), true},
		"same pods, in their zone and not on node": {term("cache", zone), term("cache", host), false},
		"other pods":  {term("cache", zone), term("web", zone), false},
		"no affinity": {nil, term("web", zone), false},
	} {
		if got := contradict(test.near, test.far); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func TestExpression(t *testing.T) {
	for want, got := range map[string]string{
		"key gpu, operator Exists":               expression("gpu", "Exists", nil),
		"key pool, operator In, values red blue": expression("pool", "In", []string{"red", "blue"}),
	} {
		if got != want {
			t.Errorf("expression = %q, want %q", got, want)
		}
	}
}
