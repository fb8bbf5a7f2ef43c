// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"cmp"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	roomy   = 1.5  // times the largest container, that one may have at most
	surging = 1.25 // times what is requested, that a namespace may: a rolling update starts a quarter more (maxSurge)
)

// Bounds are a LimitRange and a ResourceQuota for a namespace, as manifests; or why there is none. Containers that were not measured count by
// what they request, as init containers always do: one that requests nothing may need anything.
func Bounds(namespace string, all []Advice) (limitRange, quota map[string]any, why string) {
	var requests, limits, processors []float64
	highest, measured := 0.0, false
	for i := range all {
		a := &all[i]
		now := filled(a.Proposed)
		why = cmp.Or(why, unknown(a.About, now))
		highest = max(highest, now.LimitMemory)
		for j := range a.Inits {
			of := filled(amounts(&a.Inits[j]))
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
	hard := map[string]any{"requests.memory": Bytes(surging * demand(all, func(a Amounts) float64 { return a.RequestMemory }))}
	if len(processors) > 0 {
		usual := middle(processors)
		cpu := demand(all, func(a Amounts) float64 { return cmp.Or(a.RequestCPU, usual) }) // those that request none are given the default
		defaults["cpu"], hard["requests.cpu"] = Cores(usual), Cores(surging*cpu)
	}
	limitRange = manifest("LimitRange", namespace, map[string]any{"limits": []any{map[string]any{
		"type": "Container", "defaultRequest": defaults,
		"default": map[string]any{"memory": Bytes(middle(limits))}, "max": map[string]any{"memory": Bytes(roomy * highest)},
	}}})
	return limitRange, manifest("ResourceQuota", namespace, map[string]any{"hard": hard}), ""
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
// concepts/workloads/pods/init-containers, Resource sharing within containers).
func demand(all []Advice, of func(Amounts) float64) (sum float64) {
	apps, inits, pods := map[evidence.Ref]float64{}, map[evidence.Ref][]corev1.Container{}, map[evidence.Ref]float64{}
	for i := range all {
		about := all[i].About.Object()
		apps[about] += of(filled(all[i].Proposed))
		inits[about], pods[about] = all[i].Inits, max(pods[about], copies(&all[i]))
	}
	for about, app := range apps {
		beside, most := 0.0, 0.0
		for i := range inits[about] {
			c := &inits[about][i]
			request := of(filled(amounts(c)))
			most = max(most, beside+request)
			if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
				beside += request
			}
		}
		sum += pods[about] * max(app+beside, most)
	}
	return sum
}

// Waiting are the containers of CronJobs in a namespace that have no pod among those that were looked at: what they request counts, too.
func Waiting(s *evidence.Snapshot, namespace string, seen []Subject) (list []Advice) {
	for _, job := range evidence.List[*batchv1.CronJob](s) {
		ref, pod := evidence.RefOf(job), &job.Spec.JobTemplate.Spec.Template.Spec
		if job.Namespace != namespace || slices.ContainsFunc(seen, func(o Subject) bool { return o.About.Object() == ref }) {
			continue
		}
		for i := range pod.Containers {
			list = append(list, Advice{
				About: ref.InContainer(pod.Containers[i].Name), Enough: "it has no pod", Proposed: amounts(&pod.Containers[i]),
				Inits: pod.InitContainers, Replicas: atOnce(s, ref),
			})
		}
	}
	return list
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
