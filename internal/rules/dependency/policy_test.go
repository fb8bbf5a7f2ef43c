// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

func TestPolicies(t *testing.T) {
	pod := func(namespace, app string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: app, Labels: map[string]string{"app": app}},
			Status:     corev1.PodStatus{PodIP: "10.1.0.5"},
		}
	}
	f := flow{client: pod("shop", "api"), target: pod("data", "db"), ports: []intstr.IntOrString{intstr.FromInt32(5432), intstr.FromString("sql")}}
	for _, test := range []struct {
		name, spec string
		in         bool // the policy is in the target's namespace, else in the client's
		denies     bool
	}{
		{"nothing may come in", `{podSelector: {}, policyTypes: [Ingress]}`, true, true},
		{"without types it is about what comes in", `{podSelector: {}}`, true, true},
		{"it selects other pods", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}`, true, false},
		{"anything may come in", `{podSelector: {}, ingress: [{}]}`, true, false},
		{"from pods of its own namespace", `{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}`, true, true},
		{"from any namespace", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`, true, false},
		{"from that namespace", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}]}`, true, false},
		{"from another namespace", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}}]}]}`, true, true},
		{"from a namespace with labels that are not known", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]}`, true, false},
		{"from other pods of that namespace", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}]}]}`, true, true},
		{"from its address", `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16}}]}]}`, true, false},
		{"from other addresses", `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.2.0.0/16}}]}]}`, true, true},
		{"to the port by number", `{podSelector: {}, ingress: [{ports: [{port: 5432}]}]}`, true, false},
		{"to the port by name", `{podSelector: {}, ingress: [{ports: [{port: sql}]}]}`, true, false},
		{"to another port", `{podSelector: {}, ingress: [{ports: [{port: 80}]}]}`, true, true},
		{"to a range of ports", `{podSelector: {}, ingress: [{ports: [{port: 1, endPort: 9999}]}]}`, true, false},
		{"nothing may go out", `{podSelector: {}, policyTypes: [Egress]}`, false, true},
		{"only to port 53", `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53}]}]}`, false, true},
		{"to that namespace", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: data}}}]}]}`, false, false},
		{"what comes in to the client does not matter", `{podSelector: {}, policyTypes: [Ingress]}`, false, false},
	} {
		np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p"}}
		if test.in {
			np.Namespace = "data"
		}
		if err := yaml.UnmarshalStrict([]byte(test.spec), &np.Spec); err != nil {
			t.Fatal(err)
		}
		all := []*networkingv1.NetworkPolicy{np}
		_, out := judge(all, f.client, networkingv1.PolicyTypeEgress, f.egress)
		_, in := judge(all, f.target, networkingv1.PolicyTypeIngress, f.ingress)
		if (in || out) != test.denies {
			t.Errorf("%s: in %t, out %t, want %t", test.name, in, out, test.denies)
		}
	}
}

// TestPoliciesAddUp: what one policy allows no other denies.
func TestPoliciesAddUp(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Labels: map[string]string{"app": "db"}}}
	deny := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "deny"}}
	allow := deny.DeepCopy()
	allow.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
	f := flow{client: pod, target: pod}
	for _, all := range [][]*networkingv1.NetworkPolicy{{deny, allow}, {allow, deny}} {
		if np, denies := judge(all, pod, networkingv1.PolicyTypeIngress, f.ingress); denies {
			t.Errorf("policy %s denies what another allows", np.Name)
		}
	}
}
