// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// scaling proposes more replicas where load explains the need, and says where they cannot help.
func (a *Advice) scaling(o *Subject) []Check {
	kind := o.About.Kind
	if kind != "Deployment" && kind != "StatefulSet" || sidecar(o.Inits, o.Spec.Name) {
		return nil
	}
	values := slices.Sorted(slices.Values(valuesOf(all(o.CPU))))
	varies := len(values) >= fewSamples && values[len(values)*19/20] >= 2*values[len(values)/2] && values[len(values)*19/20] >= 0.1
	switch {
	case len(o.Scalers) > 0 && a.Memory != Leak:
		return atMost(o.Scalers)
	case a.Memory == Leak:
		return []Check{{"replicas", "more replicas do not cure memory that grows without end: each of them would grow", "leave autoscaling by memory off"}}
	case !varies:
		return nil
	case a.Now.LimitCPU > 0 && o.Throttled >= held:
		return []Check{{"replicas", "its load goes up and down, and its CPU limit holds each replica back: the limit is the first thing to change", "take the limit away, or raise it, before more replicas"}}
	case a.Proposed.RequestCPU == 0:
		return []Check{{"replicas", "its load goes up and down, and it requests no processors: an autoscaler goes by the request", "set a CPU request first"}}
	case kind == "StatefulSet":
		return []Check{{"replicas", "its load goes up and down, and its replicas have names and volumes of their own: whether they share the load, or are members of one cluster, nobody here knows", "scale it by an autoscaler only where a new member takes part of the load"}}
	case a.CPU == Daily || a.CPU == Bursty:
		text := fmt.Sprintf("its load goes up and down: half of the time each replica uses up to %s of processors, one time in twenty %s or more", Cores(values[len(values)/2]), Cores(values[len(values)*19/20]))
		if why := cmp.Or(o.Alone, a.full(o)); why != "" {
			return []Check{{"replicas", text + ", and " + why, "no autoscaler is proposed as long as that is so"}}
		}
		if o.Unscaled != "" {
			return []Check{{"replicas", text + ", and whether an autoscaler is there is not known: " + o.Unscaled, "look with kubectl get hpa, and make one only where there is none"}}
		}
		n := max(o.Replicas, 1)
		least, most := max(n/2, 1), 2*n
		a.Autoscaler = autoscaler(o, least, most)
		return []Check{{"replicas", text, fmt.Sprintf("a HorizontalPodAutoscaler of %d to %d replicas at 70%% of the CPU request follows it", least, most)}}
	}
	return nil
}

// scaled names the autoscalers that are there, and says which of them a new CPU request would have scale at another load.
func (a *Advice) scaled(list []*autoscalingv2.HorizontalPodAutoscaler) (says []string) {
	for _, h := range list {
		text := fmt.Sprintf("horizontalpodautoscaler/%s gives it %d to %d replicas", h.Name, replicas(h.Spec.MinReplicas), h.Spec.MaxReplicas)
		byRequest := slices.ContainsFunc(h.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
			of, own := m.Resource, m.ContainerResource
			return of != nil && of.Name == corev1.ResourceCPU && of.Target.AverageUtilization != nil ||
				own != nil && own.Name == corev1.ResourceCPU && own.Container == a.About.Container && own.Target.AverageUtilization != nil
		})
		if byRequest && a.Proposed.RequestCPU != a.Now.RequestCPU {
			text += ", by a share of the CPU request: with another request it does so at another load, so set its target anew"
		}
		says = append(says, text)
	}
	return says
}

// mostReplicas is as many replicas as autoscalers may give; 0 without one.
func mostReplicas(list []*autoscalingv2.HorizontalPodAutoscaler) (n int) {
	for _, h := range list {
		n = max(n, int(h.Spec.MaxReplicas))
	}
	return n
}

// unscaled says why it is not known which autoscalers are there for a namespace; "" where nothing tells so.
func unscaled(s *evidence.Snapshot, namespace string) string {
	for _, g := range s.Gaps {
		if (g.About == evidence.Cluster || g.About == evidence.RefTo("Namespace", "", namespace)) && strings.Contains(g.Why, "horizontalpodautoscalers") {
			return g.Why
		}
	}
	return ""
}

// atMost says which autoscalers that are there can give no more.
func atMost(list []*autoscalingv2.HorizontalPodAutoscaler) (checks []Check) {
	for _, h := range list {
		if most := h.Spec.MaxReplicas; h.Status.CurrentReplicas >= most {
			checks = append(checks, Check{"horizontalpodautoscaler/" + h.Name, fmt.Sprintf("it is at its maximum of %d replicas, so it follows the load no further", most), "raise maxReplicas where there is room, or give each replica more"})
		}
	}
	return checks
}

// full says which quota has no room for one replica more, as proposed; "" where each has.
func (a *Advice) full(o *Subject) string {
	now, then, runs := o.counted(a.Now), o.counted(a.Proposed), float64(o.Running)
	now[corev1.ResourcePods], then[corev1.ResourcePods] = 1, 1
	for _, q := range o.Within.Quotas {
		if !takes(q, &o.Pod) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(q.Spec.Hard)) {
			has, known := q.Status.Used[name]
			most, used := q.Spec.Hard[name], has.AsApproximateFloat64()
			if known && then[name] > 0 && above(used+then[name]+runs*(then[name]-now[name]), most.AsApproximateFloat64()) {
				return fmt.Sprintf("resourcequota/%s has no room for one replica more: of %s %s is used of %s", q.Name, name, has.String(), most.String())
			}
		}
	}
	return ""
}

// autoscaler is the manifest of one by the processors that are requested.
func autoscaler(o *Subject, least, most int) map[string]any {
	of := o.About.Object()
	m := manifest("HorizontalPodAutoscaler", of.Namespace, map[string]any{
		"scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": of.Kind, "name": of.Name},
		"minReplicas":    least, "maxReplicas": most,
		"metrics": []any{map[string]any{"type": "Resource", "resource": map[string]any{
			"name": "cpu", "target": map[string]any{"type": "Utilization", "averageUtilization": 70},
		}}},
	})
	m["apiVersion"], m["metadata"] = "autoscaling/v2", map[string]any{"name": of.Name, "namespace": of.Namespace}
	return m
}

// scalersOf are the autoscalers of a workload that were read.
func scalersOf(s *evidence.Snapshot, of evidence.Ref) (list []*autoscalingv2.HorizontalPodAutoscaler) {
	for _, h := range evidence.List[*autoscalingv2.HorizontalPodAutoscaler](s, evidence.RefTo("Namespace", "", of.Namespace)) {
		if target := h.Spec.ScaleTargetRef; target.Kind == of.Kind && target.Name == of.Name {
			list = append(list, h)
		}
	}
	return list
}

// alone says which volume of its pods one node alone, or one pod, may mount; "" where none is known.
func alone(s *evidence.Snapshot, namespace string, pod *corev1.PodSpec) string {
	for i := range pod.Volumes {
		from := pod.Volumes[i].PersistentVolumeClaim
		if from == nil {
			continue
		}
		claim, ok := evidence.Get[*corev1.PersistentVolumeClaim](s, namespace, from.ClaimName)
		if ok && len(claim.Spec.AccessModes) > 0 && !slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteMany) && !slices.Contains(claim.Spec.AccessModes, corev1.ReadOnlyMany) {
			return fmt.Sprintf("persistentvolumeclaim/%s, which all replicas share, is %s: replicas on other nodes could not mount it", claim.Name, claim.Spec.AccessModes[0])
		}
	}
	return ""
}
