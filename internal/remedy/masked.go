// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// mask stands where a secret was (collect).
const mask = "[masked]"

// unshown says which values a plan changes that no line of its diff shows, since they look the same when they are masked. Before
// and after are the object as it is shown.
func unshown(plan *Plan, before, after evidence.Object) []string {
	var states []any
	was, errA := plain(plan.Live)
	would, errB := plain(plan.Would)
	if errA != nil || errB != nil {
		return nil // cannot happen: the shown ones were made of them
	}
	for _, o := range []evidence.Object{was, would, before, after} {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			return nil // cannot happen
		}
		states = append(states, fields)
	}
	var all []string
	for _, path := range hidden("", states[0], states[1], states[2], states[3]) {
		all = append(all, fmt.Sprintf("it changes %s, which no line above shows: it is masked as a secret", path))
	}
	return all
}

// hidden returns where two values differ, and do not when they are masked.
func hidden(path string, was, would, before, after any) []string {
	if reflect.DeepEqual(was, would) || !holds(before) && !holds(after) {
		return nil
	}
	switch a := was.(type) {
	case map[string]any:
		b, both := would.(map[string]any)
		x, shownA := before.(map[string]any)
		y, shownB := after.(map[string]any)
		if !both || !shownA || !shownB {
			return nil // another type is another line
		}
		var all []string
		for _, name := range slices.Sorted(maps.Keys(a)) {
			if _, stays := b[name]; stays {
				all = append(all, hidden(path+"/"+pointer.Replace(name), a[name], b[name], x[name], y[name])...)
			}
		}
		return all
	case []any:
		b, both := would.([]any)
		x, shownA := before.([]any)
		y, shownB := after.([]any)
		if !both || !shownA || !shownB || len(a) != len(x) || len(b) != len(y) {
			return nil
		}
		return hiddenIn(path, a, b, x, y)
	}
	if reflect.DeepEqual(before, after) {
		return []string{path}
	}
	return nil
}

// hiddenIn does so for lists, whose elements have the same name or the same place.
func hiddenIn(path string, was, would, before, after []any) []string {
	var all []string
	for i := range was {
		j := slices.IndexFunc(would, func(e any) bool { return nameOf(e) != "" && nameOf(e) == nameOf(was[i]) })
		if nameOf(was[i]) == "" && i < len(would) {
			j = i
		}
		if j >= 0 {
			all = append(all, hidden(fmt.Sprintf("%s/%d", path, i), was[i], would[j], before[i], after[j])...)
		}
	}
	return all
}

// nameOf returns what tells an element of a list from others; "" where that is its place.
func nameOf(element any) string {
	fields, _ := element.(map[string]any)
	name, _ := fields["name"].(string)
	return name
}

// holds tells whether something in a value is masked.
func holds(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), holds)
	case []any:
		return slices.ContainsFunc(v, holds)
	case string:
		return strings.Contains(v, mask)
	}
	return false
}
