// SPDX-License-Identifier: Apache-2.0

package resource

import "slices"

const (
	roomy   = 1.5  // times the largest container, that one may have at most
	surging = 1.25 // times what is requested, that a namespace may: a rolling update starts a quarter more (maxSurge)
)

// Bounds are a LimitRange and a ResourceQuota for a namespace, as manifests.
func Bounds(namespace string, all []Advice) (limitRange, quota map[string]any) {
	var requests, limits, processors []float64
	var memory, cpu float64
	for _, a := range all {
		if a.Enough != "" || a.Proposed.LimitMemory == 0 {
			continue
		}
		n := float64(max(a.Replicas, 1))
		requests, limits = append(requests, a.Proposed.RequestMemory), append(limits, a.Proposed.LimitMemory)
		processors = append(processors, a.Proposed.RequestCPU)
		memory, cpu = memory+n*a.Proposed.RequestMemory, cpu+n*a.Proposed.RequestCPU
	}
	if len(limits) == 0 {
		return nil, nil
	}
	defaults := map[string]any{"memory": Bytes(middle(requests))}
	hard := map[string]any{"requests.memory": Bytes(surging * memory)}
	if c := middle(processors); c > 0 {
		defaults["cpu"] = Cores(c)
		hard["requests.cpu"] = Cores(surging * cpu)
	}
	limitRange = manifest("LimitRange", namespace, map[string]any{"limits": []any{map[string]any{
		"type": "Container", "defaultRequest": defaults,
		"default": map[string]any{"memory": Bytes(middle(limits))}, "max": map[string]any{"memory": Bytes(roomy * slices.Max(limits))},
	}}})
	return limitRange, manifest("ResourceQuota", namespace, map[string]any{"hard": hard})
}

func manifest(kind, namespace string, spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "measured", "namespace": namespace}, "spec": spec}
}

func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
