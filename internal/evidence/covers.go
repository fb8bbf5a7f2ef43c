// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Covers tells whether trouble with a can reach b: the cluster everything, a namespace what is in it, a node its pods,
// an owner what it owns, a pod its containers, a container its runs, and a run its container; a ConfigMap, Secret or
// claim the pods that refer to it.
func (s *Snapshot) Covers(a, b Ref) bool {
	switch {
	case a == b || a.Kind == "":
		return true
	case b.Kind == "":
		return false
	case a.Object() == b.Object():
		return a.Container == "" || a.Container == b.Container &&
			(a.Attempt == b.Attempt || a.Attempt == NoAttempt || b.Attempt == NoAttempt)
	case a.Container != "":
		return false
	case a.Kind == "Namespace":
		return a.Name == b.Namespace
	}
	return s.owns(a, b) || s.serves(a, b)
}

func (s *Snapshot) owns(a, b Ref) bool {
	for range 8 {
		owner, ok := s.Owner(b)
		if !ok {
			return false
		}
		if owner == a {
			return true
		}
		b = owner
	}
	return false
}

// serves tells whether a is the node of pod b or something that its spec refers to.
func (s *Snapshot) serves(a, b Ref) bool {
	pod, ok := s.Object(b).(*corev1.Pod)
	if !ok {
		return false
	}
	if a.Kind == "Node" {
		return pod.Spec.NodeName == a.Name
	}
	return slices.Contains(ReferredBy(pod), a)
}

// ReferredBy returns the ConfigMaps, Secrets and claims that a pod's spec refers to, sorted, each once. Optional
// references are left out: nothing fails when those are missing.
func ReferredBy(pod *corev1.Pod) []Ref {
	var refs []Ref
	add := func(kind, name string, optional *bool) {
		if name != "" && (optional == nil || !*optional) {
			refs = append(refs, RefTo(kind, pod.Namespace, name))
		}
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			referredByEnv(&list[i], add)
		}
	}
	for i := range pod.Spec.Volumes {
		referredByVolume(&pod.Spec.Volumes[i], add)
	}
	for _, s := range pod.Spec.ImagePullSecrets {
		add("Secret", s.Name, nil)
	}
	slices.SortFunc(refs, Ref.Compare)
	return slices.Compact(refs)
}

func referredByEnv(c *corev1.Container, add func(kind, name string, optional *bool)) {
	for _, from := range c.EnvFrom {
		if r := from.ConfigMapRef; r != nil {
			add("ConfigMap", r.Name, r.Optional)
		}
		if r := from.SecretRef; r != nil {
			add("Secret", r.Name, r.Optional)
		}
	}
	for _, env := range c.Env {
		if env.ValueFrom == nil {
			continue
		}
		if r := env.ValueFrom.ConfigMapKeyRef; r != nil {
			add("ConfigMap", r.Name, r.Optional)
		}
		if r := env.ValueFrom.SecretKeyRef; r != nil {
			add("Secret", r.Name, r.Optional)
		}
	}
}

func referredByVolume(v *corev1.Volume, add func(kind, name string, optional *bool)) {
	if v.ConfigMap != nil {
		add("ConfigMap", v.ConfigMap.Name, v.ConfigMap.Optional)
	}
	if v.Secret != nil {
		add("Secret", v.Secret.SecretName, v.Secret.Optional)
	}
	if v.PersistentVolumeClaim != nil {
		add("PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName, nil)
	}
	if v.Projected == nil {
		return
	}
	for _, src := range v.Projected.Sources {
		if src.ConfigMap != nil {
			add("ConfigMap", src.ConfigMap.Name, src.ConfigMap.Optional)
		}
		if src.Secret != nil {
			add("Secret", src.Secret.Name, src.Secret.Optional)
		}
	}
}

// Timeline returns every fact that bears on the thing, oldest first: its own, its owners', its node's, the cluster's.
// Facts without a time are left out.
func (s *Snapshot) Timeline(about Ref) []Fact {
	var facts []Fact
	for ref, events := range s.events {
		for _, e := range events {
			if s.Covers(ref, about) || s.Covers(e.About, about) {
				facts = append(facts, e.Fact())
			}
		}
	}
	for _, a := range s.Attempts(about.Object()) {
		if a.Ended() && s.Covers(about, a.Of) {
			facts = append(facts, a.Fact())
		}
	}
	for _, f := range s.Facts {
		if s.Covers(f.About, about) || s.Covers(about, f.About) {
			facts = append(facts, f)
		}
	}
	facts = slices.DeleteFunc(facts, func(f Fact) bool { return f.At.IsZero() })
	slices.SortFunc(facts, func(a, b Fact) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(b.Source, a.Source), a.About.Compare(b.About), cmp.Compare(a.Text, b.Text))
	})
	return facts
}
