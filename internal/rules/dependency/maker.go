// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A maker is a workload that makes pods.
type maker struct {
	ref      evidence.Ref
	replicas int32
	labels   map[string]string
}

// makers returns the workloads of a namespace that are known to make pods.
func makers(p *diagnosis.Pass, namespace string) []maker {
	var list []maker
	add := func(o evidence.Object, replicas *int32, template *corev1.PodTemplateSpec) {
		m := maker{ref: evidence.RefOf(o), replicas: 1, labels: template.Labels}
		if replicas != nil {
			m.replicas = *replicas
		}
		list = append(list, m)
	}
	in := evidence.RefTo("Namespace", "", namespace)
	for _, o := range diagnosis.List[*appsv1.Deployment](p, in) {
		add(o, o.Spec.Replicas, &o.Spec.Template)
	}
	for _, o := range diagnosis.List[*appsv1.StatefulSet](p, in) {
		add(o, o.Spec.Replicas, &o.Spec.Template)
	}
	return list
}

// makerOf returns the workload whose pods a Service selects; false when none is known.
func makerOf(p *diagnosis.Pass, s *corev1.Service) (maker, bool) {
	selector := labels.SelectorFromSet(s.Spec.Selector)
	for _, m := range makers(p, s.Namespace) {
		if selector.Matches(labels.Set(m.labels)) {
			return m, true
		}
	}
	return maker{}, false
}

// scaledDown tells whether the workloads whose pods a Service selects are to have none: so it has no endpoints, also where it is so new
// that no EndpointSlice says so.
func scaledDown(p *diagnosis.Pass, s *corev1.Service) bool {
	selector := labels.SelectorFromSet(s.Spec.Selector)
	ours := slices.DeleteFunc(makers(p, s.Namespace), func(m maker) bool { return !selector.Matches(labels.Set(m.labels)) })
	return len(ours) > 0 && !slices.ContainsFunc(ours, func(m maker) bool { return m.replicas > 0 })
}

// nearest returns the workload whose pods a Service very likely means to select and does not, where no workload's pods
// have its labels: one that bears its name, or that shares a label with its selector. The text says what differs.
func nearest(p *diagnosis.Pass, s *corev1.Service) (*maker, string) {
	if _, ok := makerOf(p, s); ok {
		return nil, ""
	}
	var best *maker
	most := 0
	for _, m := range makers(p, s.Namespace) {
		points := 0
		if m.ref.Name == s.Name {
			points += 2
		}
		for key, value := range s.Spec.Selector {
			if m.labels[key] == value {
				points++
			}
		}
		if points > most {
			best, most = &m, points
		}
	}
	if best == nil {
		return nil, ""
	}
	for _, key := range slices.Sorted(maps.Keys(s.Spec.Selector)) {
		if has := best.labels[key]; has != s.Spec.Selector[key] {
			if has == "" {
				return best, fmt.Sprintf("%s=%s, which they do not have", key, s.Spec.Selector[key])
			}
			return best, fmt.Sprintf("%s=%s, and they have %s=%s", key, s.Spec.Selector[key], key, has)
		}
	}
	return best, ""
}
