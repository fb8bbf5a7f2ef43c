// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// referredBy returns the ConfigMaps, Secrets and claims that a pod's spec refers to, sorted, each once. Optional
// references are left out: nothing fails when those are missing.
func referredBy(pod *corev1.Pod) []evidence.Ref {
	var refs []evidence.Ref
	add := func(kind, name string, optional *bool) {
		if name != "" && (optional == nil || !*optional) {
			refs = append(refs, evidence.RefTo(kind, pod.Namespace, name))
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
	slices.SortFunc(refs, evidence.Ref.Compare)
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

// describe returns the name of a thing with its namespace, for messages about things in several namespaces.
func describe(ref evidence.Ref) string {
	if ref.Namespace == "" {
		return ref.String()
	}
	return fmt.Sprintf("%s in namespace %s", ref, ref.Namespace)
}
