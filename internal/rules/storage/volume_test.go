// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSelects takes manifests as people write them: what the API server would not accept selects nothing.
func TestSelects(t *testing.T) {
	set := map[string]string{"disk": "fast"}
	for operator, want := range map[metav1.LabelSelectorOperator]bool{"In": true, "NotIn": false, "Like": false} {
		s := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "disk", Operator: operator, Values: []string{"fast"}}}}
		if got := selects(s, set); got != want {
			t.Errorf("%s: %t, want %t", operator, got, want)
		}
	}
}

func TestReaches(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"zone": "a"}}}
	for operator, want := range map[corev1.NodeSelectorOperator]bool{"In": true, "NotIn": false, "Gt": false, "Like": false} {
		term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: operator, Values: []string{"a"}}}}
		pv := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}},
		}}
		if got := reaches(pv, node); got != want {
			t.Errorf("%s: %t, want %t", operator, got, want)
		}
	}
}

func TestPlace(t *testing.T) {
	for want, e := range map[string]corev1.NodeSelectorRequirement{
		"nodes with zone a or b":  {Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"a", "b"}},
		"nodes with zone notin a": {Key: "zone", Operator: corev1.NodeSelectorOpNotIn, Values: []string{"a"}},
		"nodes with san":          {Key: "san", Operator: corev1.NodeSelectorOpExists},
	} {
		pv := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{e}}},
		}}}}
		if got := place(pv); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestUnscheduled(t *testing.T) {
	pod := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
		{Type: "example.com/gate", Message: "waits"}, {Type: corev1.PodScheduled, Message: "no room"},
	}}}
	if got := unscheduled(pod).Message; got != "no room" {
		t.Errorf("%q", got)
	}
}

func TestAfter(t *testing.T) {
	for message, want := range map[string]string{
		`MountVolume.SetUp failed for volume "p" : no "q"`: `no "q"`, `Multi-Attach error for volume "p" Volume is in use`: "Volume is in use", "no volume": "no volume",
	} {
		if got := after(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}
