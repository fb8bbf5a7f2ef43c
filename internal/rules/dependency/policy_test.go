// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"slices"
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
		{"to any port of a protocol", `{podSelector: {}, ingress: [{ports: [{protocol: TCP}]}]}`, true, false},
		{"from addresses that cannot be read", `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: all}}]}]}`, true, false},
		{"by a selector that the API would not take", `{podSelector: {matchExpressions: [{key: app, operator: Like, values: [db]}]}}`, true, false},
		{"without types it is about what goes out, too, where it has rules for that", `{podSelector: {}, egress: [{ports: [{port: 53}]}]}`, false, true},
		{"only to pods of its own namespace", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}`, false, true},
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

// TestUnknownPeers: what is not known of a pod counts as allowed.
func TestUnknownPeers(t *testing.T) {
	var np networkingv1.NetworkPolicy
	spec := `{egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}], ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16}}]}]}`
	if err := yaml.UnmarshalStrict([]byte(spec), &np.Spec); err != nil {
		t.Fatal(err)
	}
	f := flow{client: &corev1.Pod{}}
	if !f.egress(&np) {
		t.Error("a policy denies the way to a pod that is not known")
	}
	if !f.ingress(&np) {
		t.Error("a policy denies the way from a pod whose address is not known")
	}
}

func TestTheFirstPolicyIsNamed(t *testing.T) {
	one := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "one"}}
	other := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	pod := &corev1.Pod{}
	np, _ := judge([]*networkingv1.NetworkPolicy{one, other}, pod, networkingv1.PolicyTypeIngress, flow{client: pod}.ingress)
	if np.Name != "one" {
		t.Error(np.Name)
	}
}

func TestTargetsOf(t *testing.T) {
	service := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{
		{Port: 80, TargetPort: intstr.FromString("web")}, {Port: 81, TargetPort: intstr.FromInt32(8081)},
	}}}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{
		{Name: "web", ContainerPort: 8080}, {Name: "admin", ContainerPort: 8081}, {Name: "metrics", ContainerPort: 9090},
	}}}}}
	for port, want := range map[string][]intstr.IntOrString{
		"80": {intstr.FromString("web"), intstr.FromInt32(80), intstr.FromString("web"), intstr.FromInt32(8080)},
		"81": {intstr.FromInt32(8081), intstr.FromInt32(81), intstr.FromString("admin"), intstr.FromInt32(8081)},
		"82": nil,
		"": {
			intstr.FromString("web"), intstr.FromInt32(80), intstr.FromString("web"), intstr.FromInt32(8080),
			intstr.FromInt32(8081), intstr.FromInt32(81), intstr.FromString("admin"), intstr.FromInt32(8081),
		},
	} {
		if got := targetsOf(service, pod, port); !slices.Equal(got, want) {
			t.Errorf("port %q: %v, want %v", port, got, want)
		}
	}
}
