// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// secrets tells where a manifest holds what looks like a secret, before its values are masked: in a Secret, in a ConfigMap,
// in a variable of a container. The values are in no fact.
func (m *Manifest) secrets(o evidence.Object) {
	switch o := o.(type) {
	case *corev1.Secret:
		m.secretObject(o)
	case *corev1.ConfigMap:
		for _, key := range slices.Sorted(maps.Keys(o.Data)) {
			value := o.Data[key]
			if redactNamed(key, &value) > 0 {
				m.tell(FactPlainSecret, "data["+key+"]", fmt.Sprintf("key %s of ConfigMap %s", key, o.Name))
			}
		}
	case *corev1.Pod:
		m.secretVariables("spec", &o.Spec)
	default:
		if t := templateOf(o); t != nil {
			path := templatePaths[m.Kind]
			if path == "" {
				path = "spec.template"
			}
			m.secretVariables(path+".spec", &t.Spec)
		}
	}
}

// secretObject tells of the values in a Secret. What is empty, encrypted for a controller or written by a service account
// controller is none.
func (m *Manifest) secretObject(o *corev1.Secret) {
	if o.Type == corev1.SecretTypeServiceAccountToken {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(o.Data)) {
		if v := string(o.Data[key]); len(v) > 1 && !isPlaceholder(v) {
			m.tell(FactPlainSecret, "data["+key+"]", fmt.Sprintf("key %s of Secret %s", key, o.Name))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o.StringData)) {
		if v := o.StringData[key]; len(v) > 1 && !isPlaceholder(v) {
			m.tell(FactPlainSecret, "stringData["+key+"]", fmt.Sprintf("key %s of Secret %s", key, o.Name))
		}
	}
}

func (m *Manifest) secretVariables(path string, spec *corev1.PodSpec) {
	for i, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		name := [...]string{"initContainers", "containers"}[i]
		for j := range list {
			c := &list[j]
			for _, v := range c.Env {
				if value := v.Value; redactNamed(v.Name, &value) > 0 {
					where := fmt.Sprintf("%s.%s[%s].env[%s]", path, name, c.Name, v.Name)
					m.tell(FactPlainSecret, where, fmt.Sprintf("variable %s of container %s", v.Name, c.Name))
				}
			}
		}
	}
}

// maskManifest masks what is secret in the object of a manifest: in its pods, in annotations, and all values of ConfigMaps and
// Secrets. Other kinds hold names and numbers; a look at every text of each, as of what comes from a cluster, would cost more
// than all rules do.
func maskManifest(o evidence.Object) {
	switch o := o.(type) {
	case *corev1.ConfigMap, *corev1.Secret:
		mask(o)
		return
	case *corev1.Pod:
		RedactPodSpec(&o.Spec)
	default:
		if t := templateOf(o); t != nil {
			redactMap(t.Annotations)
			RedactPodSpec(&t.Spec)
		}
	}
	redactMeta(o)
}
