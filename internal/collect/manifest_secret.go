// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// secrets tells where a manifest holds what looks like a secret, before its values are masked: in a Secret, in a ConfigMap, in an annotation,
// in what a container is given. The values are in no fact.
func (m *Manifest) secrets(o evidence.Object) {
	m.secretNotes("metadata", "annotation ", o.GetAnnotations())
	switch o := o.(type) {
	case *corev1.Secret:
		m.secretObject(o)
	case *corev1.ConfigMap:
		for _, key := range slices.Sorted(maps.Keys(o.Data)) {
			if inText(key, o.Data[key]) {
				m.tell(FactPlainSecret, "data["+key+"]", fmt.Sprintf("key %s of ConfigMap %s", key, o.Name))
			}
		}
	case *corev1.Pod:
		m.secretSpec("spec", &o.Spec)
	default:
		if t := templateOf(o); t != nil {
			path := cmp.Or(templatePaths[m.Kind], "spec.template")
			m.secretNotes(path+".metadata", "the pods' annotation ", t.Annotations)
			m.secretSpec(path+".spec", &t.Spec)
		}
	}
}

// secretNotes tells of the annotations in the metadata at a path. The sum of a secret is none.
func (m *Manifest) secretNotes(path, what string, notes map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		if !strings.Contains(name, "checksum") && givesAway(name, notes[name]) {
			m.tell(FactPlainSecret, path+".annotations["+name+"]", what+name)
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

func (m *Manifest) secretSpec(path string, spec *corev1.PodSpec) {
	for i := range spec.InitContainers {
		m.secretContainer(path+".initContainers", &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		m.secretContainer(path+".containers", &spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		m.secretContainer(path+".ephemeralContainers", (*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
}

// secretContainer tells of what a container, its probes and its hooks are given.
func (m *Manifest) secretContainer(path string, c *corev1.Container) {
	path += "[" + c.Name + "]"
	for _, v := range c.Env {
		if inText(v.Name, v.Value) {
			m.tell(FactPlainSecret, path+".env["+v.Name+"]", fmt.Sprintf("variable %s of container %s", v.Name, c.Name))
		}
	}
	of := "container " + c.Name
	for _, i := range openWords(slices.Concat(c.Command, c.Args)) { // one line: a flag may end the command
		if i < len(c.Command) {
			m.secretWord(path+".command", "word %d of the command of "+of, i)
		} else {
			m.secretWord(path+".args", "argument %d of "+of, i-len(c.Command))
		}
	}
	for i, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			name := [...]string{"livenessProbe", "readinessProbe", "startupProbe"}[i]
			m.secretAction(path+"."+name, "the "+name+" of "+of, p.Exec, p.HTTPGet)
		}
	}
	if c.Lifecycle == nil {
		return
	}
	for i, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
		if h != nil {
			name := [...]string{"postStart", "preStop"}[i]
			m.secretAction(path+".lifecycle."+name, "the "+name+" hook of "+of, h.Exec, h.HTTPGet)
		}
	}
}

func (m *Manifest) secretAction(path, of string, exec *corev1.ExecAction, get *corev1.HTTPGetAction) {
	if exec != nil {
		for _, i := range openWords(exec.Command) {
			m.secretWord(path+".exec.command", "word %d of the command of "+of, i)
		}
	}
	if get == nil {
		return
	}
	for _, h := range get.HTTPHeaders {
		if givesAway(h.Name, h.Value) {
			m.tell(FactPlainSecret, path+".httpGet.httpHeaders["+h.Name+"]", fmt.Sprintf("header %s of %s", h.Name, of))
		}
	}
	if givesAway("", get.Path) {
		m.tell(FactPlainSecret, path+".httpGet.path", "the path of "+of)
	}
}

// secretWord tells of a word of a command line by its place: what comes before the value in it may be part of it.
func (m *Manifest) secretWord(path, what string, i int) {
	m.tell(FactPlainSecret, fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf(what, i+1))
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
