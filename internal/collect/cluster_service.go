// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// services reads the Services that lead to pods that were read, well or not, where those are asked for.
func (v *visit) services(ctx context.Context, _ []*corev1.Pod) {
	if !v.api.services {
		return
	}
	var pods []*corev1.Pod
	v.mu.Lock()
	for _, o := range v.s.Objects {
		if pod, ok := o.(*corev1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	v.mu.Unlock()
	names := namespacesOf(pods)
	if len(names) > fewNamespaces {
		names = []string{""}
	}
	for _, namespace := range names {
		objects, _, err := v.api.list(ctx, query{kind: "Service", namespace: namespace}, func(o evidence.Object) bool {
			return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return leadsTo(o.(*corev1.Service), pod) })
		})
		if err != nil {
			v.gap(resources["Service"].kind, within(namespace), v.api.why(ctx, err, "list", "Service", namespace))
		}
		v.add(slices.DeleteFunc(objects, func(o evidence.Object) bool { return len(v.once([]evidence.Ref{evidence.RefOf(o)})) == 0 })...)
	}
}

// leadsTo tells whether a Service selects a pod.
func leadsTo(service *corev1.Service, pod *corev1.Pod) bool {
	selector := service.Spec.Selector
	return service.Namespace == pod.Namespace && len(selector) > 0 && labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels))
}
