// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// A flow is what a network policy judges: from the client to a port of a pod behind the Service. What is not known is
// taken for allowed, so that a policy is only accused of what it surely does.
type flow struct {
	client *corev1.Pod
	target *corev1.Pod // nil: not a pod that is known
	ports  []intstr.IntOrString
}

// denial returns a network policy that keeps the client from the call's port: one that selects the pods behind the
// Service, or the client, where no policy that does allows it (NetworkPolicy API: policies add up).
func denial(p *diagnosis.Pass, c *call, port string) (*networkingv1.NetworkPolicy, bool) {
	client := p.Object(p.About()).(*corev1.Pod)
	f := flow{client: client, ports: []intstr.IntOrString{intstr.Parse(port)}}
	if len(c.pods) > 0 {
		f.target = c.pods[0]
		f.ports = append(f.ports, targetsOf(c.service, f.target, port)...)
	}
	all := diagnosis.List[*networkingv1.NetworkPolicy](p)
	if np, denies := judge(all, client, networkingv1.PolicyTypeEgress, f.egress); denies {
		return np, true
	}
	if f.target == nil {
		return nil, false
	}
	return judge(all, f.target, networkingv1.PolicyTypeIngress, f.ingress)
}

// judge returns a policy of the direction that selects the pod, where none that does allows the flow.
func judge(all []*networkingv1.NetworkPolicy, pod *corev1.Pod, way networkingv1.PolicyType, allows func(*networkingv1.NetworkPolicy) bool) (*networkingv1.NetworkPolicy, bool) {
	var first *networkingv1.NetworkPolicy
	for _, np := range all {
		if np.Namespace != pod.Namespace || !applies(np, way) || !matches(&np.Spec.PodSelector, pod.Labels) {
			continue
		}
		if allows(np) {
			return nil, false
		}
		first = cmp.Or(first, np)
	}
	return first, first != nil
}

// applies tells whether a policy is about the direction. Without types it is about what comes in, and about what goes out
// only where it has rules for that.
func applies(np *networkingv1.NetworkPolicy, way networkingv1.PolicyType) bool {
	if len(np.Spec.PolicyTypes) == 0 {
		return way == networkingv1.PolicyTypeIngress || len(np.Spec.Egress) > 0
	}
	return slices.Contains(np.Spec.PolicyTypes, way)
}

func matches(s *metav1.LabelSelector, set map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(set))
}

func (f flow) ingress(np *networkingv1.NetworkPolicy) bool {
	return slices.ContainsFunc(np.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
		return f.through(r.Ports) && f.isPeer(r.From, np.Namespace, f.client)
	})
}

func (f flow) egress(np *networkingv1.NetworkPolicy) bool {
	return slices.ContainsFunc(np.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
		return f.through(r.Ports) && f.isPeer(r.To, np.Namespace, f.target)
	})
}

// through tells whether a rule's ports have one of the flow's.
func (f flow) through(ports []networkingv1.NetworkPolicyPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(port networkingv1.NetworkPolicyPort) bool {
		return port.Port == nil || port.EndPort != nil || slices.Contains(f.ports, *port.Port)
	})
}

// isPeer tells whether a rule's peers have the pod; an unknown one may be any.
func (f flow) isPeer(peers []networkingv1.NetworkPolicyPeer, namespace string, pod *corev1.Pod) bool {
	return len(peers) == 0 || pod == nil || slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		switch {
		case peer.IPBlock != nil:
			block, err := netip.ParsePrefix(peer.IPBlock.CIDR)
			address, other := netip.ParseAddr(pod.Status.PodIP)
			return err != nil || other != nil || block.Contains(address)
		case peer.NamespaceSelector == nil && namespace != pod.Namespace:
			return false
		case peer.NamespaceSelector != nil && !maybeNamespace(peer.NamespaceSelector, pod.Namespace):
			return false
		}
		return peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels)
	})
}

// maybeNamespace tells whether a selector of namespaces may match one of that name. Of its labels only the one that every
// namespace has is known.
func maybeNamespace(s *metav1.LabelSelector, name string) bool {
	if want, ok := s.MatchLabels[corev1.LabelMetadataName]; ok && want != name {
		return false
	}
	return true
}

// targetsOf returns by which numbers and names the pod's port is known that a Service's port leads to.
func targetsOf(s *corev1.Service, pod *corev1.Pod, port string) []intstr.IntOrString {
	var list []intstr.IntOrString
	for _, sp := range s.Spec.Ports {
		if fmt.Sprint(sp.Port) != port && port != "" {
			continue
		}
		list = append(list, sp.TargetPort, intstr.FromInt32(sp.Port))
		for _, c := range pod.Spec.Containers {
			for _, cp := range c.Ports {
				if cp.Name == sp.TargetPort.StrVal || cp.ContainerPort == sp.TargetPort.IntVal {
					list = append(list, intstr.FromString(cp.Name), intstr.FromInt32(cp.ContainerPort))
				}
			}
		}
	}
	return list
}
