// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
)

func TestRules(t *testing.T) { ruletest.Run(t, Rules) }

func TestTolerated(t *testing.T) {
	taint := corev1.Taint{Key: "gpu", Value: "a", Effect: corev1.TaintEffectNoExecute}
	seconds := int64(300)
	for name, c := range map[string]struct {
		toleration corev1.Toleration
		want       bool
	}{
		"of the same value":  {corev1.Toleration{Key: "gpu", Value: "a", Effect: "NoExecute"}, true},
		"of any effect":      {corev1.Toleration{Key: "gpu", Value: "a"}, true},
		"of any value":       {corev1.Toleration{Key: "gpu", Operator: "Exists"}, true},
		"of everything":      {corev1.Toleration{Operator: "Exists"}, true},
		"of another value":   {corev1.Toleration{Key: "gpu", Value: "b"}, false},
		"of another key":     {corev1.Toleration{Key: "disk", Operator: "Exists"}, false},
		"of no key":          {corev1.Toleration{Value: "a"}, false},
		"of another effect":  {corev1.Toleration{Key: "gpu", Operator: "Exists", Effect: "NoSchedule"}, false},
		"for a while":        {corev1.Toleration{Key: "gpu", Operator: "Exists", TolerationSeconds: &seconds}, false},
		"of anything else":   {corev1.Toleration{Key: "disk", Value: "a"}, false},
		"of a value, listed": {corev1.Toleration{Key: "gpu", Operator: "Equal", Value: "a"}, true},
	} {
		if got := tolerated(&corev1.PodSpec{Tolerations: []corev1.Toleration{c.toleration}}, taint); got != c.want {
			t.Errorf("a toleration %s: %v", name, got)
		}
	}
}

func TestSparesUnready(t *testing.T) {
	always, ifHealthy := policyv1.AlwaysAllow, policyv1.IfHealthyBudget
	for name, c := range map[string]struct {
		policy           *policyv1.UnhealthyPodEvictionPolicyType
		healthy, desired int32
		want             bool
	}{
		"enough are healthy":       {nil, 2, 2, true},
		"too few are healthy":      {nil, 1, 2, false},
		"none is wanted":           {nil, 0, 0, false},
		"always":                   {&always, 1, 2, true},
		"only if enough are":       {&ifHealthy, 1, 2, false},
		"only if enough, and they": {&ifHealthy, 2, 2, true},
	} {
		b := &policyv1.PodDisruptionBudget{Spec: policyv1.PodDisruptionBudgetSpec{UnhealthyPodEvictionPolicy: c.policy}}
		b.Status.CurrentHealthy, b.Status.DesiredHealthy = c.healthy, c.desired
		if got := sparesUnready(b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestOfDaemonSet(t *testing.T) {
	for kind, want := range map[string]bool{"": false, "ReplicaSet": false, "DaemonSet": true, "Node": true} {
		pod, yes := &corev1.Pod{}, true
		if kind != "" {
			pod.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Controller: &yes}}
		}
		if got := ofDaemonSet(pod); got != want {
			t.Errorf("a pod of %q: %v", kind, got)
		}
	}
}
