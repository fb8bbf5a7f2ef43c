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
	field     string // "image", "env", "resources.limits", "livenessProbe", …
	name      string // of the variable or the resource
	text      string // "environment variable DB_DSN removed"
	where     string // the path within the template
	was, is   string // what each template holds there, as facts write it; empty where it cannot be said in a line
	from, to  string // of a quantity
}

// restartedAt is what kubectl rollout restart writes.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// differences lists in what the template b differs from a.
func differences(a, b *corev1.PodTemplateSpec) []difference {
	var list []difference
	before, now := containersOf(a), containersOf(b)
	for name, c := range sorted(now) {
		if old, ok := before[name]; ok {
			list = append(list, betweenContainers(old, c)...)
		} else {
			list = append(list, difference{container: name, field: "container", where: c.path + ".name", is: "name " + name, text: "container " + name + " added"})
		}
	}
	for name, c := range sorted(before) {
		if _, ok := now[name]; !ok {
			list = append(list, difference{container: name, field: "container", where: c.path + ".name", was: "name " + name, text: "container " + name + " removed"})
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

// A placed container is one with its path within the template.
type placed struct {
	*corev1.Container
	path string
}

func containersOf(t *corev1.PodTemplateSpec) map[string]placed {
	all := map[string]placed{}
	for i, list := range [][]corev1.Container{t.Spec.InitContainers, t.Spec.Containers} {
		for j := range list {
			all[list[j].Name] = placed{&list[j], "spec." + []string{"initContainers", "containers"}[i] + "[" + list[j].Name + "]"}
		}
	}
	return all
}

// betweenContainers compares two containers of one name.
func betweenContainers(a, b placed) []difference {
	list := betweenEnvironments(a, b)
	if a.Image != b.Image {
		list = append(list, difference{
			container: b.Name, field: "image", where: b.path + ".image", was: "image " + a.Image, is: "image " + b.Image,
			text: fmt.Sprintf("image %s changed to %s", a.Image, b.Image),
		})
	}
	for _, c := range []struct {
		field    string
		from, to []string
	}{{"command", a.Command, b.Command}, {"args", a.Args, b.Args}} {
		if !slices.Equal(c.from, c.to) {
			list = append(list, difference{
				container: b.Name, field: c.field, where: b.path + "." + c.field, was: line(c.field, c.from), is: line(c.field, c.to),
				text: fmt.Sprintf("%s of container %s changed", c.field, b.Name),
			})
		}
	}
	for _, c := range []struct {
		field    string
		from, to any
	}{
		{"workingDir", a.WorkingDir, b.WorkingDir}, {"lifecycle", a.Lifecycle, b.Lifecycle},
		{"livenessProbe", a.LivenessProbe, b.LivenessProbe}, {"readinessProbe", a.ReadinessProbe, b.ReadinessProbe},
		{"startupProbe", a.StartupProbe, b.StartupProbe}, {"securityContext", a.SecurityContext, b.SecurityContext},
		{"volumeMounts", a.VolumeMounts, b.VolumeMounts}, {"ports", a.Ports, b.Ports}, {"envFrom", a.EnvFrom, b.EnvFrom},
	} {
		if !reflect.DeepEqual(c.from, c.to) {
			list = append(list, difference{container: b.Name, field: c.field, text: fmt.Sprintf("%s of container %s changed", c.field, b.Name)})
		}
	}
	return append(list, betweenResources(a, b)...)
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
			list = append(list, difference{field: c.field, text: c.field + " changed"})
		}
	}
	for key, value := range sorted(b.Annotations) {
		if a.Annotations[key] != value {
			text := "annotation " + key + " changed"
			if key == restartedAt {
				text = "restarted by kubectl rollout restart at " + value
			}
			list = append(list, difference{field: "annotations", where: "metadata.annotations", name: key, is: key + " " + value, text: text})
		}
	}
	return list
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
