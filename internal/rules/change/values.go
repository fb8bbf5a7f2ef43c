// SPDX-License-Identifier: Apache-2.0

package change

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// line writes a command as facts do; "" for none.
func line(field string, words []string) string {
	if len(words) == 0 {
		return ""
	}
	return field + " " + strings.Join(words, " ")
}

// betweenEnvironments compares the variables of two containers. Their values are not shown.
func betweenEnvironments(a, b placed) []difference {
	var list []difference
	before, now := variables(a.Container), variables(b.Container)
	add := func(name, what string, was, is bool) {
		d := difference{container: b.Name, field: "env", where: b.path + ".env[" + name + "].name", name: name, text: "environment variable " + name + " " + what}
		if was {
			d.was = "name " + name
		}
		if is {
			d.is = "name " + name
		}
		list = append(list, d)
	}
	for name, value := range sorted(before) {
		if is, ok := now[name]; !ok {
			add(name, "removed", true, false)
		} else if is != value {
			add(name, "changed", false, true)
		}
	}
	for name := range sorted(now) {
		if _, ok := before[name]; !ok {
			add(name, "added", false, true)
		}
	}
	return list
}

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

// betweenResources compares the requests and limits of two containers.
func betweenResources(a, b placed) []difference {
	var list []difference
	for _, l := range []struct {
		kind     string
		from, to corev1.ResourceList
	}{{"limits", a.Resources.Limits, b.Resources.Limits}, {"requests", a.Resources.Requests, b.Resources.Requests}} {
		names := slices.AppendSeq(slices.Collect(maps.Keys(l.from)), maps.Keys(l.to))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			d := difference{container: b.Name, field: "resources." + l.kind, where: b.path + ".resources." + l.kind, name: string(name), from: quantity(l.from, name), to: quantity(l.to, name)}
			if d.from == d.to {
				continue
			}
			if d.from != "" {
				d.was = d.name + " " + d.from
			}
			if d.to != "" {
				d.is = d.name + " " + d.to
			}
			d.text = fmt.Sprintf("%s %s changed from %s to %s", name, strings.TrimSuffix(l.kind, "s"), cmp.Or(d.from, "none"), cmp.Or(d.to, "none"))
			list = append(list, d)
		}
	}
	return list
}

func quantity(list corev1.ResourceList, name corev1.ResourceName) string {
	q, ok := list[name]
	if !ok {
		return ""
	}
	return q.String()
}
