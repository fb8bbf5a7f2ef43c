// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// endpoints counts what is behind a Service.
type endpoints struct {
	known      bool // EndpointSlices or Endpoints of the Service are at hand
	all, ready int
	facts      []evidence.Fact // of the one that tells most
}

// endpointsOf counts the endpoints of a Service: those of its EndpointSlices, else of its Endpoints.
func endpointsOf(p *diagnosis.Pass, s *corev1.Service) endpoints {
	var e endpoints
	for _, slice := range diagnosis.List[*discoveryv1.EndpointSlice](p, evidence.RefTo("Namespace", "", s.Namespace)) {
		if slice.Labels[discoveryv1.LabelServiceName] != s.Name {
			continue
		}
		e.count(slice)
	}
	if old := p.Object(evidence.RefTo("Endpoints", s.Namespace, s.Name)); old != nil && !e.known {
		e.known = true
		e.countOld(old)
	}
	return e
}

// count adds those of an EndpointSlice. The first one that is ready, else the first one at all, is cited.
func (e *endpoints) count(slice *discoveryv1.EndpointSlice) {
	all, ready, at := e.all, e.ready, 0
	for i, point := range slice.Endpoints {
		e.all++
		if point.Conditions.Ready != nil && !*point.Conditions.Ready {
			continue
		}
		if e.ready++; e.ready == ready+1 {
			at = i
		}
	}
	tells := !e.known || ready == 0 && e.ready > 0 || all == 0 && e.all > 0
	if !tells {
		return
	}
	e.known = true
	e.facts = []evidence.Fact{counted(slice, "endpoints", len(slice.Endpoints))}
	if at < len(slice.Endpoints) && slice.Endpoints[at].Conditions.Ready != nil {
		e.facts = append(e.facts, evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(slice),
			Where: fmt.Sprintf("endpoints[%d].conditions.ready", at), Text: fmt.Sprintf("ready %v", *slice.Endpoints[at].Conditions.Ready),
		})
	}
}

// counted cites how long a list of an object is; what is counted is status, because a controller wrote it.
func counted(o evidence.Object, where string, n int) evidence.Fact {
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(o), Where: where,
		Text: fmt.Sprintf("%s %d", where[strings.LastIndexByte(where, '.')+1:], n),
	}
}

// countOld counts those of an Endpoints object, as clusters before 1.33 print them. Its Go type is deprecated.
func (e *endpoints) countOld(old evidence.Object) {
	var fields struct {
		Subsets []struct{ Addresses, NotReadyAddresses []any }
	}
	data, _ := json.Marshal(old)      // cannot fail: it came as JSON
	_ = json.Unmarshal(data, &fields) // nor can this: the fields are those of its type
	for i, subset := range fields.Subsets {
		where := fmt.Sprintf("subsets[%d].", i)
		e.ready += len(subset.Addresses)
		e.all += len(subset.Addresses) + len(subset.NotReadyAddresses)
		e.facts = append(e.facts, counted(old, where+"addresses", len(subset.Addresses)), counted(old, where+"notReadyAddresses", len(subset.NotReadyAddresses)))
	}
	if len(fields.Subsets) == 0 {
		e.facts = []evidence.Fact{counted(old, "subsets", 0)}
	}
}

// selected returns the pods that a Service selects.
func selected(p *diagnosis.Pass, s *corev1.Service) []*corev1.Pod {
	if len(s.Spec.Selector) == 0 {
		return nil
	}
	selector := labels.SelectorFromSet(s.Spec.Selector)
	return slices.DeleteFunc(diagnosis.List[*corev1.Pod](p, evidence.RefTo("Namespace", "", s.Namespace)), func(pod *corev1.Pod) bool {
		return !selector.Matches(labels.Set(pod.Labels)) || pod.DeletionTimestamp != nil
	})
}

func anyReady(pods []*corev1.Pod) bool {
	return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
		return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
	})
}

func refsOf(pods []*corev1.Pod) []evidence.Ref {
	var refs []evidence.Ref
	for _, pod := range pods {
		refs = append(refs, evidence.RefOf(pod))
	}
	return refs
}

// hasPort tells whether a Service has the port.
func hasPort(s *corev1.Service, port string) bool {
	return slices.ContainsFunc(s.Spec.Ports, func(sp corev1.ServicePort) bool { return fmt.Sprint(sp.Port) == port })
}

func portsOf(s *corev1.Service) string {
	var names []string
	for _, sp := range s.Spec.Ports {
		names = append(names, fmt.Sprint(sp.Port))
	}
	return fmt.Sprint(names)
}

// wrongTarget says to which port of its pods a Service sends what comes to port, where none of their containers that
// declare ports declares that one; "" otherwise. Declaring is optional, so that it proves nothing by itself.
func wrongTarget(s *corev1.Service, pods []*corev1.Pod, port string) string {
	for _, sp := range s.Spec.Ports {
		if fmt.Sprint(sp.Port) != port && len(s.Spec.Ports) > 1 {
			continue
		}
		target := sp.TargetPort
		if target.Type == intstr.Int && target.IntVal == 0 {
			target = intstr.FromInt32(sp.Port)
		}
		if slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return lacksPort(pod, target) }) {
			return target.String()
		}
	}
	return ""
}

// lacksPort tells whether a pod's containers declare ports and not that one.
func lacksPort(pod *corev1.Pod, target intstr.IntOrString) bool {
	declared := 0
	for _, c := range pod.Spec.Containers {
		for _, cp := range c.Ports {
			declared++
			if target.Type == intstr.String && cp.Name == target.StrVal || target.Type == intstr.Int && cp.ContainerPort == target.IntVal {
				return false
			}
		}
	}
	return declared > 0
}
