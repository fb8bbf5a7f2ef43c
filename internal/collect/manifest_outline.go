// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Outline returns what rules about several objects ask for, so that very many can be kept: the object without its template, its
// labels and its texts, and the pod of that without what is written for its programs. A Namespace has its labels. The manifest cannot be used after.
func (m *Manifest) Outline() []evidence.Object {
	if m.Object == nil {
		return nil
	}
	if pod, ok := m.Object.(*corev1.Pod); ok {
		pod.Annotations = profileNotes(pod.Annotations)
		outline(&pod.Spec)
		return []evidence.Object{pod}
	}
	m.Object.SetAnnotations(nil)
	if _, ok := m.Object.(*corev1.Namespace); ok {
		return []evidence.Object{m.Object}
	}
	m.Object.SetLabels(nil)
	switch o := m.Object.(type) {
	case *corev1.ConfigMap:
		for key := range o.Data {
			o.Data[key] = ""
		}
	case *appsv1.Deployment:
		o.Spec.Selector = nil
	case *appsv1.StatefulSet:
		o.Spec.Selector = nil
	case *appsv1.DaemonSet:
		o.Spec.Selector = nil
	}
	if m.pod == nil {
		return []evidence.Object{m.Object}
	}
	m.pod.Annotations = profileNotes(m.pod.Annotations)
	outline(&m.pod.Spec)
	*templateOf(m.Object) = corev1.PodTemplateSpec{}
	return []evidence.Object{m.Object, m.pod}
}

// profileNotes returns the annotations that are settings of security.
func profileNotes(notes map[string]string) map[string]string {
	var kept map[string]string
	for name, value := range notes {
		if !strings.HasPrefix(name, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[name] = value
	}
	return kept
}

func outline(spec *corev1.PodSpec) {
	*spec = corev1.PodSpec{
		InitContainers: spec.InitContainers, Containers: spec.Containers, EphemeralContainers: spec.EphemeralContainers, Volumes: spec.Volumes,
		ServiceAccountName: spec.ServiceAccountName, ImagePullSecrets: spec.ImagePullSecrets,
		HostNetwork: spec.HostNetwork, HostPID: spec.HostPID, HostIPC: spec.HostIPC, HostUsers: spec.HostUsers, OS: spec.OS, SecurityContext: spec.SecurityContext,
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			outlineContainer(&list[i])
		}
	}
	for i := range spec.EphemeralContainers {
		outlineContainer((*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
}

func outlineContainer(c *corev1.Container) {
	env := slices.DeleteFunc(c.Env, func(v corev1.EnvVar) bool { return v.ValueFrom == nil })
	for _, p := range []**corev1.Probe{&c.LivenessProbe, &c.ReadinessProbe, &c.StartupProbe} {
		if *p == nil || !elsewhere((*p).HTTPGet, (*p).TCPSocket) {
			*p = nil
		}
	}
	if l := c.Lifecycle; l != nil && !leads(l.PostStart) && !leads(l.PreStop) {
		c.Lifecycle = nil
	}
	*c = corev1.Container{
		Name: c.Name, Ports: c.Ports, EnvFrom: c.EnvFrom, Env: slices.Clip(env), RestartPolicy: c.RestartPolicy,
		Resources:       corev1.ResourceRequirements{Requests: c.Resources.Requests},
		SecurityContext: c.SecurityContext, LivenessProbe: c.LivenessProbe, ReadinessProbe: c.ReadinessProbe, StartupProbe: c.StartupProbe, Lifecycle: c.Lifecycle,
	}
}

// elsewhere tells whether a probe or a hook is sent to another host than its pod.
func elsewhere(get *corev1.HTTPGetAction, socket *corev1.TCPSocketAction) bool {
	return get != nil && get.Host != "" || socket != nil && socket.Host != ""
}

func leads(h *corev1.LifecycleHandler) bool { return h != nil && elsewhere(h.HTTPGet, h.TCPSocket) }
