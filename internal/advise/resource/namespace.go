// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"cmp"
	"fmt"
	"slices"
)

const (
	roomy   = 1.5  // times the largest container, that one may have at most
	surging = 1.25 // times what is requested, that a namespace may: a rolling update starts a quarter more (maxSurge)
)

// Bounds are a LimitRange and a ResourceQuota for a namespace, as manifests; or why there is none. Containers that were not measured count by
// what they request: one that requests nothing may need anything.
func Bounds(namespace string, all []Advice) (limitRange, quota map[string]any, why string) {
	var requests, limits, processors []float64
	var memory float64
	highest, measured := 0.0, false
	for i := range all {
		a := &all[i]
		now := a.Proposed
		now.RequestMemory, now.RequestCPU = cmp.Or(now.RequestMemory, now.LimitMemory), cmp.Or(now.RequestCPU, now.LimitCPU) // as the API server fills in
		if now.RequestMemory == 0 || now.LimitMemory == 0 {
			why = cmp.Or(why, fmt.Sprintf("%s was not measured and has no memory request or no limit, so nobody knows what the namespace needs", a.About))
		}
		memory, highest = memory+copies(a)*now.RequestMemory, max(highest, now.LimitMemory)
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
	hard := map[string]any{"requests.memory": Bytes(surging * memory)}
	if len(processors) > 0 {
		usual, cpu := middle(processors), 0.0
		for i := range all { // those that request none are given the default
			cpu += copies(&all[i]) * cmp.Or(all[i].Proposed.RequestCPU, all[i].Proposed.LimitCPU, usual)
		}
		defaults["cpu"], hard["requests.cpu"] = Cores(usual), Cores(surging*cpu)
	}
	limitRange = manifest("LimitRange", namespace, map[string]any{"limits": []any{map[string]any{
		"type": "Container", "defaultRequest": defaults,
		"default": map[string]any{"memory": Bytes(middle(limits))}, "max": map[string]any{"memory": Bytes(roomy * highest)},
	}}})
	return limitRange, manifest("ResourceQuota", namespace, map[string]any{"hard": hard}), ""
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
