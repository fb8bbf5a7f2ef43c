// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"cmp"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	roomy   = 1.5  // times the largest container, that one may have at most
	surging = 1.25 // times what is requested, that a namespace may: a rolling update starts a quarter more (maxSurge)
)

// Bounds are a LimitRange and a ResourceQuota for a namespace, as manifests; or why there is none. Containers that were not measured count by
// what they request, as init containers do that end: one that requests nothing may need anything.
func Bounds(namespace string, all []Advice) (limitRange, quota map[string]any, why string) {
	var requests, limits, processors []float64
	highest, measured, advised := 0.0, false, proposalsOf(all)
	for i := range all {
		a := &all[i]
		now := filled(a.Proposed)
		why = cmp.Or(why, unknown(a.About, now), a.Unread)
		highest = max(highest, now.LimitMemory)
		for j := range a.Inits {
			of := advised.of(a, &a.Inits[j])
			why = cmp.Or(why, unknown(a.About.Object().InContainer(a.Inits[j].Name), of))
			highest = max(highest, of.LimitMemory)
		}
		if now.RequestCPU > 0 {
			processors = append(processors, now.RequestCPU)
		}
		if a.measured() {
			measured, requests, limits = true, append(requests, now.RequestMemory), append(limits, now.LimitMemory)
		}
	}
	if !measured || why != "" {
		return nil, nil, why
	}
	defaults := map[string]any{"memory": Bytes(middle(requests))}
	hard := map[string]any{"requests.memory": Bytes(surging * demand(all, corev1.ResourceMemory, func(a Amounts) float64 { return a.RequestMemory }))}
	if len(processors) > 0 {
		usual := middle(processors)
		cpu := demand(all, corev1.ResourceCPU, func(a Amounts) float64 { return cmp.Or(a.RequestCPU, usual) }) // those that request none are given the default
		defaults["cpu"], hard["requests.cpu"] = Cores(usual), Cores(surging*cpu)
	}
	limitRange = manifest("LimitRange", namespace, map[string]any{"limits": []any{map[string]any{
		"type": "Container", "defaultRequest": defaults,
		"default": map[string]any{"memory": Bytes(middle(limits))}, "max": map[string]any{"memory": Bytes(roomy * highest)},
	}}})
	return limitRange, manifest("ResourceQuota", namespace, map[string]any{"hard": hard}), ""
}

// proposals are what containers are to have that there is advice about, sidecars among them.
type proposals map[evidence.Ref]Amounts

func proposalsOf(all []Advice) proposals {
	of := proposals{}
	for i := range all {
		of[all[i].About] = all[i].Proposed
	}
	return of
}

// of is what an init container of a workload has, or is to have.
func (p proposals) of(a *Advice, c *corev1.Container) Amounts {
	if then, ok := p[a.About.Object().InContainer(c.Name)]; ok {
		return filled(then)
	}
	return filled(amounts(c))
}

// filled has as requests what the API server fills in from limits.
func filled(a Amounts) Amounts {
	a.RequestMemory, a.RequestCPU = cmp.Or(a.RequestMemory, a.LimitMemory), cmp.Or(a.RequestCPU, a.LimitCPU)
	return a
}

// unknown says why nothing can be proposed where a container is; "" where something can.
func unknown(of evidence.Ref, now Amounts) string {
	if now.RequestMemory > 0 && now.LimitMemory > 0 {
		return ""
	}
	return fmt.Sprintf("%s was not measured and has no memory request or no limit, so nobody knows what the namespace needs", of)
}

// demand is what all workloads request together of a resource, as a quota counts it: each pod what its containers request with its sidecars,
// or what an init container needs with those that began before it, where that is more (KEP-753; Kubernetes docs,
// concepts/workloads/pods/init-containers, Resource sharing within containers), and the overhead of its RuntimeClass (KEP-688).
func demand(all []Advice, name corev1.ResourceName, of func(Amounts) float64) (sum float64) {
	advised := proposalsOf(all)
	apps, last, pods := map[evidence.Ref]float64{}, map[evidence.Ref]*Advice{}, map[evidence.Ref]float64{}
	for i := range all {
		about := all[i].About.Object()
		if !sidecar(all[i].Inits, all[i].About.Container) { // those count among the init containers
			apps[about] += of(filled(all[i].Proposed))
		}
		last[about], pods[about] = &all[i], max(pods[about], copies(&all[i]))
	}
	for about, app := range apps {
		one := beside(app, last[about].Inits, func(c *corev1.Container) float64 { return of(advised.of(last[about], c)) })
		sum += pods[about] * (one + number(last[about].Overhead, name))
	}
	return sum
}

// beside is what a pod has of something whose containers have that much, with its sidecars, or what an init container needs with the sidecars
// that began before it, where that is more.
func beside(app float64, inits []corev1.Container, of func(*corev1.Container) float64) float64 {
	sidecars, most := 0.0, 0.0
	for i := range inits {
		c := &inits[i]
		most = max(most, sidecars+of(c))
		if sidecar(inits, c.Name) {
			sidecars += of(c)
		}
	}
	return max(app+sidecars, most)
}

// Waiting are the containers of CronJobs in a namespace that have no pod among those that were looked at: what they request counts, too.
func Waiting(s *evidence.Snapshot, namespace string, seen []Subject) (list []Advice) {
	for _, job := range evidence.List[*batchv1.CronJob](s) {
		ref, pod := evidence.RefOf(job), &job.Spec.JobTemplate.Spec.Template.Spec
		if job.Namespace != namespace || slices.ContainsFunc(seen, func(o Subject) bool { return o.About.Object() == ref }) {
			continue
		}
		for i := range pod.Containers {
			a := Advice{
				About: ref.InContainer(pod.Containers[i].Name), Enough: "it has no pod", Proposed: amounts(&pod.Containers[i]),
				Inits: pod.InitContainers, Replicas: atOnce(s, ref),
			}
			var known bool
			if a.Overhead, known = overhead(s, pod); !known {
				a.Unread = fmt.Sprintf("%s runs by runtimeclass/%s, which is not known, so nobody knows what its pods have on top of their containers", ref, *pod.RuntimeClassName)
			}
			list = append(list, a)
		}
	}
	return list
}

// overhead is that of the pods of a template, which the API server fills in when it makes one; false where their RuntimeClass is not known.
func overhead(s *evidence.Snapshot, template *corev1.PodSpec) (corev1.ResourceList, bool) {
	if template.Overhead != nil || template.RuntimeClassName == nil {
		return template.Overhead, true
	}
	class, ok := evidence.Get[*nodev1.RuntimeClass](s, "", *template.RuntimeClassName)
	if !ok || class.Overhead == nil {
		return nil, ok
	}
	return class.Overhead.PodFixed, true
}

// wanted is how many pods a workload is to have; 0 of what does not say so.
func wanted(o evidence.Object) int {
	switch w := o.(type) {
	case *appsv1.Deployment:
		return replicas(w.Spec.Replicas)
	case *appsv1.StatefulSet:
		return replicas(w.Spec.Replicas)
	}
	return 0
}

// replicas are as many as a workload sets, or one, as the API server fills in.
func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// surge is how many pods an update of a Deployment starts before it may end any other; 0 where it ends others first, and of anything else.
func surge(o evidence.Object) int {
	d, ok := o.(*appsv1.Deployment)
	if !ok || d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return 0
	}
	want, quarter := replicas(d.Spec.Replicas), intstr.FromString("25%") // as the API server fills in
	more, fewer := &quarter, &quarter
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		more, fewer = cmp.Or(r.MaxSurge, more), cmp.Or(r.MaxUnavailable, fewer)
	}
	starts, err := intstr.GetScaledValueFromIntOrPercent(more, want, true)
	ends, err2 := intstr.GetScaledValueFromIntOrPercent(fewer, want, false)
	if err != nil || err2 != nil || ends > 0 {
		return 0
	}
	return starts
}

// atOnce is how many pods a CronJob makes at once; 0 of anything else.
func atOnce(s *evidence.Snapshot, ref evidence.Ref) int {
	job, ok := s.Object(ref).(*batchv1.CronJob)
	if !ok {
		return 0
	}
	n := 1
	if p := job.Spec.JobTemplate.Spec.Parallelism; p != nil {
		n = int(*p)
	}
	return n
}

func copies(a *Advice) float64 { return float64(max(a.Replicas, 1)) }

// measured tells whether what is proposed rests on what was used.
func (a *Advice) measured() bool {
	return a.Enough == "" && a.Memory != Leak && a.Memory != Growing && a.Proposed.LimitMemory > 0
}

func manifest(kind, namespace string, spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "measured", "namespace": namespace}, "spec": spec}
}

func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
