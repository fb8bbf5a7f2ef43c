// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// renamed are the names that charts give to fields of Kubernetes, as the chart has them that helm create makes.
var renamed = map[string]string{"replicas": "replicaCount", "containers": "extraContainers", "env": "extraEnv"}

// candidates returns sets of values that may give an object the changes, the likeliest first: the fields under the names that they have
// in Kubernetes, in each mapping of the values; and values that are the same as what the fields have now.
func candidates(values map[string]any, changes []fieldChange, object string) []map[string]any {
	var all []map[string]any
	for _, at := range homes(values, changes, object) {
		all = append(all, under(at, changes, false), under(at, changes, true))
	}
	// Each field by its present value: the first place where it is found, then the next, for all fields at once.
	found := make([][][]string, len(changes))
	most := 0
	for i, change := range changes {
		found[i] = equals(values, scalarText(change.was), change.keys)
		if len(found[i]) == 0 {
			return distinct(all)
		}
		most = max(most, len(found[i]))
	}
	for n := range most {
		set := map[string]any{}
		for i, change := range changes {
			put(set, found[i][min(n, len(found[i])-1)], change.will)
		}
		all = append(all, set)
	}
	return distinct(all)
}

// customary is what most charts would take, for want of proof.
func customary(values map[string]any, changes []fieldChange, object string) *feed {
	at := homes(values, changes, object)[0]
	plain := under(at, changes, false)
	if shared(values, plain) > len(at) {
		return &feed{values: plain}
	}
	return &feed{values: under(at, changes, true)}
}

// homes returns the mappings of the values in which the fields may be, the likeliest first: those that have a field of that name, and of
// these those that are named like the container or the object.
func homes(values map[string]any, changes []fieldChange, object string) [][]string {
	type home struct {
		at    []string
		score int
	}
	var all []home
	var walk func(m map[string]any, at []string)
	walk = func(m map[string]any, at []string) {
		score := -len(at)
		for _, change := range changes {
			if _, has := m[change.names()[0]]; has {
				score += 100
			}
			if last := strings.ToLower(lastOf(at)); last != "" && (last == strings.ToLower(change.element) || strings.HasSuffix(strings.ToLower(object), last)) {
				score += 50
			}
		}
		all = append(all, home{at, score})
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if child, ok := m[key].(map[string]any); ok {
				walk(child, slices.Concat(at, []string{key}))
			}
		}
	}
	walk(values, nil)
	slices.SortStableFunc(all, func(a, b home) int { return cmp.Compare(b.score, a.score) })
	var places [][]string
	for _, h := range all {
		places = append(places, h.at)
	}
	return places
}

func lastOf(at []string) string {
	if len(at) == 0 {
		return ""
	}
	return at[len(at)-1]
}

// under returns the values that set the fields in a mapping; in the object they may be deeper, as spec.replicas is.
func under(at []string, changes []fieldChange, rename bool) map[string]any {
	set := map[string]any{}
	for _, change := range changes {
		keys := change.names()
		if name, ok := renamed[keys[0]]; ok && rename {
			keys[0] = name
		}
		put(set, slices.Concat(at, keys), change.will)
	}
	return set
}

// names are the keys without those that are levels of Kubernetes, for which no chart has a value: replicas of spec.replicas.
func (f fieldChange) names() []string {
	from := 0
	for i, key := range f.keys[:len(f.keys)-1] {
		if f.element == "" && slices.Contains([]string{"spec", "template", "jobTemplate"}, key) {
			from = i + 1
		}
	}
	return slices.Clone(f.keys[from:])
}

// put sets a value in nested mappings, which are made where they are not there.
func put(m map[string]any, keys []string, v any) {
	for _, key := range keys[:len(keys)-1] {
		child, ok := m[key].(map[string]any)
		if !ok {
			child = map[string]any{}
			m[key] = child
		}
		m = child
	}
	m[keys[len(keys)-1]] = v
}

// equals returns where a value stands among values, those first whose name is like that of the field.
func equals(values map[string]any, value string, keys []string) [][]string {
	var like, others [][]string
	var walk func(m map[string]any, at []string)
	walk = func(m map[string]any, at []string) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			here := slices.Concat(at, []string{key})
			child, ok := m[key].(map[string]any)
			switch {
			case ok:
				walk(child, here)
			case value == "" || scalarText(m[key]) != value:
			case strings.Contains(strings.ToLower(key), strings.ToLower(lastOf(keys))):
				like = append(like, here)
			default:
				others = append(others, here)
			}
		}
	}
	walk(values, nil)
	return append(like, others...)
}

// distinct leaves out sets that were there before.
func distinct(all []map[string]any) []map[string]any {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(m map[string]any) bool {
		text := strings.Join(paths(m), "\n")
		again := seen[text]
		seen[text] = true
		return again
	})
}

// paths returns the names of the values that are set, as web.resources.limits.memory.
func paths(m map[string]any) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		child, ok := m[key].(map[string]any)
		if !ok || len(child) == 0 {
			all = append(all, key)
			continue
		}
		for _, p := range paths(child) {
			all = append(all, key+"."+p)
		}
	}
	return all
}
