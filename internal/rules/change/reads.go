// SPDX-License-Identifier: Apache-2.0

package change

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// read returns the ConfigMaps that the pass's container reads.
func read(p *diagnosis.Pass) []string {
	c, spec := p.Spec(), p.PodSpec()
	if c == nil {
		return nil
	}
	names := readByEnv(c)
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name }) {
			continue
		}
		if v.ConfigMap != nil {
			names = append(names, v.ConfigMap.Name)
		}
		if v.Projected != nil {
			for _, s := range v.Projected.Sources {
				if s.ConfigMap != nil && s.ConfigMap.Name != "kube-root-ca.crt" {
					names = append(names, s.ConfigMap.Name)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// readByEnv returns the ConfigMaps that a container has variables from.
func readByEnv(c *corev1.Container) []string {
	var names []string
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef != nil {
			names = append(names, from.ConfigMapRef.Name)
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
			names = append(names, e.ValueFrom.ConfigMapKeyRef.Name)
		}
	}
	return names
}

// sameTemplate tells whether two pods were made from one template.
func sameTemplate(a, b *metav1.ObjectMeta) bool {
	for _, label := range []string{"pod-template-hash", "controller-revision-hash"} {
		if a.Labels[label] != b.Labels[label] {
			return false
		}
	}
	return true
}

// startOf is when the newest run of a container of a pod that is well began; zero where that is not known. An init
// container has ended then.
func startOf(pod *corev1.Pod, container string) time.Time {
	st := evidence.ContainerStatus(pod, container)
	switch {
	case st == nil:
	case st.State.Terminated != nil:
		return st.State.Terminated.StartedAt.Time
	case st.State.Running != nil:
		return st.State.Running.StartedAt.Time
	}
	return time.Time{}
}
