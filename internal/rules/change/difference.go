// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A difference is one thing in which a pod template differs from the one before.
type difference struct {
	container string // empty: of the pod as a whole
	field     string // "image", "env", "resources", "livenessProbe", …
	where     string // the path within the template
	name      string // of the variable or the resource
	text      string // "environment variable DB_DSN removed"
	from, to  string // of a quantity or an image
}

// restartedAt is what kubectl rollout restart writes.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// differences lists in what the template b differs from a.
func differences(a, b *corev1.PodTemplateSpec) []difference {
	var list []difference
	before := containersOf(a)
	for name, c := range sorted(containersOf(b)) {
		if old, ok := before[name]; ok {
			list = append(list, betweenContainers(old, c)...)
		} else {
			list = append(list, difference{container: name, field: "container", where: "spec.containers[" + name + "]", text: "container " + name + " added"})
		}
	}
	for name := range sorted(before) {
		if _, ok := containersOf(b)[name]; !ok {
			list = append(list, difference{container: name, field: "container", where: "spec.containers", text: "container " + name + " removed"})
		}
	}
	return append(list, betweenPods(a, b)...)
}

func sorted[V any](m map[string]V) func(func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

func containersOf(t *corev1.PodTemplateSpec) map[string]*corev1.Container {
	all := map[string]*corev1.Container{}
	for _, list := range [][]corev1.Container{t.Spec.InitContainers, t.Spec.Containers} {
		for i := range list {
			all[list[i].Name] = &list[i]
		}
	}
	return all
}

// betweenContainers compares two containers of one name.
func betweenContainers(a, b *corev1.Container) []difference {
	var list []difference
	add := func(field, name, from, to, format string, args ...any) {
		where := "spec.containers[" + b.Name + "]." + field
		list = append(list, difference{container: b.Name, field: field, where: where, name: name, from: from, to: to, text: fmt.Sprintf(format, args...)})
	}
	if a.Image != b.Image {
		add("image", "", a.Image, b.Image, "image %s changed to %s", a.Image, b.Image)
	}
	for _, c := range []struct {
		field    string
		from, to any
	}{
		{"command", a.Command, b.Command}, {"args", a.Args, b.Args}, {"workingDir", a.WorkingDir, b.WorkingDir},
		{"livenessProbe", a.LivenessProbe, b.LivenessProbe}, {"readinessProbe", a.ReadinessProbe, b.ReadinessProbe},
		{"startupProbe", a.StartupProbe, b.StartupProbe}, {"lifecycle", a.Lifecycle, b.Lifecycle},
		{"securityContext", a.SecurityContext, b.SecurityContext}, {"volumeMounts", a.VolumeMounts, b.VolumeMounts},
		{"ports", a.Ports, b.Ports}, {"envFrom", a.EnvFrom, b.EnvFrom},
	} {
		if !reflect.DeepEqual(c.from, c.to) {
			add(c.field, "", "", "", "%s of container %s changed", c.field, b.Name)
		}
	}
	for name, e := range sorted(variables(a)) {
		if now, ok := variables(b)[name]; !ok {
			add("env", name, e, "", "environment variable %s removed", name)
		} else if now != e {
			add("env", name, e, now, "environment variable %s changed", name)
		}
	}
	for name, e := range sorted(variables(b)) {
		if _, ok := variables(a)[name]; !ok {
			add("env", name, "", e, "environment variable %s added", name)
		}
	}
	for _, l := range []struct {
		kind     string
		from, to corev1.ResourceList
	}{{"limits", a.Resources.Limits, b.Resources.Limits}, {"requests", a.Resources.Requests, b.Resources.Requests}} {
		for _, name := range resources(l.from, l.to) {
			from, to := quantity(l.from, name), quantity(l.to, name)
			if from != to {
				add("resources."+l.kind, string(name), from, to, "%s %s changed from %s to %s", name, strings.TrimSuffix(l.kind, "s"), none(from), none(to))
			}
		}
	}
	return list
}

// betweenPods compares what the templates say of the pod as a whole.
func betweenPods(a, b *corev1.PodTemplateSpec) []difference {
	var list []difference
	for _, c := range []struct {
		field    string
		from, to any
	}{
		{"volumes", a.Spec.Volumes, b.Spec.Volumes}, {"serviceAccountName", a.Spec.ServiceAccountName, b.Spec.ServiceAccountName},
		{"securityContext", a.Spec.SecurityContext, b.Spec.SecurityContext}, {"nodeSelector", a.Spec.NodeSelector, b.Spec.NodeSelector},
		{"affinity", a.Spec.Affinity, b.Spec.Affinity}, {"tolerations", a.Spec.Tolerations, b.Spec.Tolerations},
		{"hostNetwork", a.Spec.HostNetwork, b.Spec.HostNetwork}, {"dnsPolicy", a.Spec.DNSPolicy, b.Spec.DNSPolicy},
	} {
		if !reflect.DeepEqual(c.from, c.to) {
			list = append(list, difference{field: c.field, where: "spec." + c.field, text: c.field + " changed"})
		}
	}
	for key, value := range sorted(b.Annotations) {
		if a.Annotations[key] != value {
			text := "annotation " + key + " changed"
			if key == restartedAt {
				text = "restarted by kubectl rollout restart at " + value
			}
			list = append(list, difference{field: "annotations", where: "metadata.annotations", name: key, text: text})
		}
	}
	return list
}
