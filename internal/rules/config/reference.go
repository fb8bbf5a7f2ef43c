// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A reference is the place in the pod's spec that asks for something.
type reference struct {
	words string // "env DB_URL", "envFrom", "volume settings"
	env   string // the variable, where it is one
	fact  evidence.Fact
}

// inEnv finds the reference of the pass's container to m; the zero one where the spec does not show it.
func inEnv(p *diagnosis.Pass, m missing) reference {
	c := p.Spec()
	for _, env := range c.Env {
		path, name, key := source(env)
		if path == m.kind && name == m.name && (m.key == "" || key == m.key) {
			field, value := ".name", name
			if m.key != "" {
				field, value = ".key", key
			}
			fact := p.CiteSpec("env["+env.Name+"].valueFrom."+refField[path]+field, value)
			return reference{words: "env " + env.Name, env: env.Name, fact: fact}
		}
	}
	for i, from := range c.EnvFrom {
		if r := from.ConfigMapRef; r != nil && m.kind == "ConfigMap" && r.Name == m.name {
			return reference{words: "envFrom", fact: p.CiteSpec(fmt.Sprintf("envFrom[%d].configMapRef.name", i), r.Name)}
		}
		if r := from.SecretRef; r != nil && m.kind == "Secret" && r.Name == m.name {
			return reference{words: "envFrom", fact: p.CiteSpec(fmt.Sprintf("envFrom[%d].secretRef.name", i), r.Name)}
		}
	}
	return reference{}
}

// refField is the field of an environment variable's source by the kind that it refers to.
var refField = map[string]string{"ConfigMap": "configMapKeyRef", "Secret": "secretKeyRef"}

func source(env corev1.EnvVar) (kind, name, key string) {
	switch {
	case env.ValueFrom == nil:
	case env.ValueFrom.ConfigMapKeyRef != nil:
		return "ConfigMap", env.ValueFrom.ConfigMapKeyRef.Name, env.ValueFrom.ConfigMapKeyRef.Key
	case env.ValueFrom.SecretKeyRef != nil:
		return "Secret", env.ValueFrom.SecretKeyRef.Name, env.ValueFrom.SecretKeyRef.Key
	}
	return "", "", ""
}

// A part is one ConfigMap or Secret of a volume.
type part struct {
	kind, path, field, name string
	items                   []corev1.KeyToPath
}

// inVolume finds the reference of a volume to m. The errors about keys do not say which object lacks the key: m's name
// is filled in from the part of the volume that asks for it.
func inVolume(p *diagnosis.Pass, volume string, m *missing) reference {
	spec := p.PodSpec()
	for i := range spec.Volumes {
		if spec.Volumes[i].Name != volume {
			continue
		}
		for _, part := range parts(&spec.Volumes[i]) {
			if part.kind != m.kind || m.name != "" && part.name != m.name {
				continue
			}
			if where, text, ok := part.asks(m.key); ok {
				m.name = part.name
				return reference{words: "volume " + volume, fact: evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
					Where: "spec.volumes[" + volume + "]." + where, Text: text,
				}}
			}
		}
	}
	return reference{}
}

// asks returns the field that asks for the key, or for the object where there is no key.
func (p part) asks(key string) (where, text string, ok bool) {
	if key == "" {
		return p.path + "." + p.field, p.field + " " + p.name, true
	}
	for i, item := range p.items {
		if item.Key == key {
			return fmt.Sprintf("%s.items[%d].key", p.path, i), "key " + key, true
		}
	}
	return "", "", false
}

func parts(v *corev1.Volume) []part {
	var list []part
	if r := v.ConfigMap; r != nil {
		list = append(list, part{"ConfigMap", "configMap", "name", r.Name, r.Items})
	}
	if r := v.Secret; r != nil {
		list = append(list, part{"Secret", "secret", "secretName", r.SecretName, r.Items})
	}
	if v.Projected == nil {
		return list
	}
	for i, s := range v.Projected.Sources {
		path := fmt.Sprintf("projected.sources[%d].", i)
		if r := s.ConfigMap; r != nil {
			list = append(list, part{"ConfigMap", path + "configMap", "name", r.Name, r.Items})
		}
		if r := s.Secret; r != nil {
			list = append(list, part{"Secret", path + "secret", "name", r.Name, r.Items})
		}
	}
	return list
}
