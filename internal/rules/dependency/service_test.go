// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestWrongTarget(t *testing.T) {
	serves := func(ports ...corev1.ContainerPort) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Ports: ports}}}}
	}
	sql, silent := serves(corev1.ContainerPort{Name: "sql", ContainerPort: 5432}), serves()
	for _, test := range []struct {
		name, port string
		targets    []intstr.IntOrString // of ports 5432, 5433, …
		pods       []*corev1.Pod
		want       string
	}{
		{"the number that is declared", "5432", []intstr.IntOrString{intstr.FromInt32(5432)}, []*corev1.Pod{sql}, ""},
		{"another number", "5432", []intstr.IntOrString{intstr.FromInt32(80)}, []*corev1.Pod{sql}, "80"},
		{"none is the port itself", "5432", []intstr.IntOrString{{}}, []*corev1.Pod{sql}, ""},
		{"the name that is declared", "5432", []intstr.IntOrString{intstr.FromString("sql")}, []*corev1.Pod{sql}, ""},
		{"another name", "5432", []intstr.IntOrString{intstr.FromString("db")}, []*corev1.Pod{sql}, "db"},
		{"pods that declare nothing", "5432", []intstr.IntOrString{intstr.FromInt32(80)}, []*corev1.Pod{silent}, ""},
		{"one pod of two", "5432", []intstr.IntOrString{intstr.FromInt32(80)}, []*corev1.Pod{silent, sql}, "80"},
		{"another port of two", "5432", []intstr.IntOrString{intstr.FromInt32(5432), intstr.FromInt32(80)}, []*corev1.Pod{sql}, ""},
		{"the only port, where none is named", "", []intstr.IntOrString{intstr.FromInt32(80)}, []*corev1.Pod{sql}, "80"},
		{"no port named, of two", "", []intstr.IntOrString{intstr.FromInt32(5432), intstr.FromInt32(80)}, []*corev1.Pod{sql}, ""},
	} {
		var s corev1.Service
		next := int32(5432)
		for _, target := range test.targets {
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Port: next, TargetPort: target})
			next++
		}
		if got := wrongTarget(&s, test.pods, test.port); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestEndpointsTell: of several slices the first that has a ready endpoint is cited, else the first that has any.
func TestEndpointsTell(t *testing.T) {
	yes, no := true, false
	slice := func(name string, ready ...*bool) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{}
		s.Name = name
		for _, r := range ready {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: r}})
		}
		return s
	}
	for _, test := range []struct {
		slices     []*discoveryv1.EndpointSlice
		all, ready int
		cited      string
		where      string // of the last fact
	}{
		{[]*discoveryv1.EndpointSlice{slice("a")}, 0, 0, "a", "endpoints"},
		{[]*discoveryv1.EndpointSlice{slice("a"), slice("b", &no)}, 1, 0, "b", "endpoints[0].conditions.ready"},
		{[]*discoveryv1.EndpointSlice{slice("a", &no), slice("b", &no)}, 2, 0, "a", "endpoints[0].conditions.ready"},
		{[]*discoveryv1.EndpointSlice{slice("a", &no), slice("b", &no, &yes), slice("c", &yes)}, 4, 2, "b", "endpoints[1].conditions.ready"},
		{[]*discoveryv1.EndpointSlice{slice("a", &yes), slice("b")}, 1, 1, "a", "endpoints[0].conditions.ready"},
		{[]*discoveryv1.EndpointSlice{slice("a", nil)}, 1, 1, "a", "endpoints"},
	} {
		var e endpoints
		for _, s := range test.slices {
			e.count(s)
		}
		last := e.facts[len(e.facts)-1]
		if e.all != test.all || e.ready != test.ready || last.About.Name != test.cited || last.Where != test.where {
			t.Errorf("%d of %d ready, %s %s, want %d of %d, %s %s", e.ready, e.all, last.About.Name, last.Where, test.ready, test.all, test.cited, test.where)
		}
	}
}
