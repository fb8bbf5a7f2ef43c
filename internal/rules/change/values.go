// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// variables returns the environment of a container by name, each in words that differ where the variable does.
func variables(c *corev1.Container) map[string]string {
	all := map[string]string{}
	for _, e := range c.Env {
		all[e.Name] = e.Value
		if e.ValueFrom != nil {
			all[e.Name] = e.ValueFrom.String()
		}
	}
	return all
}

func resources(a, b corev1.ResourceList) []corev1.ResourceName {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

func quantity(list corev1.ResourceList, name corev1.ResourceName) string {
	q, ok := list[name]
	if !ok {
		return ""
	}
	return q.String()
}

func none(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// mostTold is how many differences a message names.
const mostTold = 3

// told writes differences into a message.
func told(list []difference) string {
	var texts []string
	for _, d := range list {
		texts = append(texts, d.text)
	}
	if more := len(texts) - mostTold; more > 0 {
		texts = append(texts[:mostTold], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}
