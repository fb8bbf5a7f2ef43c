// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A violation is a field that a level forbids.
type violation struct{ field, text, fix string }

// A visit is a container with the path of its own.
type visit struct {
	path string
	*corev1.Container
}

func containers(spec *corev1.PodSpec) []visit {
	var all []visit
	for i, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for j := range list {
			all = append(all, visit{[...]string{"initContainers", "containers"}[i] + "[" + list[j].Name + "]", &list[j]})
		}
	}
	return all
}

// allowed are the capabilities that the baseline level lets a container add.
var allowed = []corev1.Capability{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// belowBaseline returns what the baseline level forbids.
func belowBaseline(spec *corev1.PodSpec) []violation {
	var list []violation
	if spec.HostNetwork {
		list = append(list, shares("hostNetwork"))
	}
	if spec.HostPID {
		list = append(list, shares("hostPID"))
	}
	if spec.HostIPC {
		list = append(list, shares("hostIPC"))
	}
	for _, v := range spec.Volumes {
		if v.HostPath != nil {
			list = append(list, violation{
				"volumes[" + v.Name + "].hostPath", fmt.Sprintf("volume %s is folder %s of the node", v.Name, v.HostPath.Path), "Use a volume of another kind for " + v.Name,
			})
		}
	}
	if spec.SecurityContext != nil && unconfined(spec.SecurityContext.SeccompProfile) {
		list = append(list, violation{"securityContext.seccompProfile", "the pod is without a seccomp profile", "Use the seccomp profile RuntimeDefault"})
	}
	for _, c := range containers(spec) {
		for i, port := range c.Ports {
			if port.HostPort != 0 && !spec.HostNetwork {
				list = append(list, violation{
					fmt.Sprintf("%s.ports[%d].hostPort", c.path, i), fmt.Sprintf("container %s takes port %d of its node", c.Name, port.HostPort), "Take hostPort away and use a Service",
				})
			}
		}
		if c.SecurityContext != nil {
			list = append(list, c.belowBaseline(spec.HostUsers == nil || *spec.HostUsers)...)
		}
	}
	return list
}

func shares(field string) violation {
	return violation{field, "the pod uses " + field + " of its node", "Take " + field + " away"}
}

// belowBaseline returns what the baseline level forbids in the security context of a container.
func (c visit) belowBaseline(hostUsers bool) []violation {
	var list []violation
	context, path := c.SecurityContext, c.path+".securityContext."
	if context.Privileged != nil && *context.Privileged {
		list = append(list, violation{path + "privileged", "container " + c.Name + " is privileged", "Run container " + c.Name + " unprivileged"})
	}
	if context.Capabilities != nil {
		for i, added := range context.Capabilities.Add {
			if !slices.Contains(allowed, added) {
				list = append(list, violation{
					fmt.Sprintf("%scapabilities.add[%d]", path, i), fmt.Sprintf("container %s adds capability %s", c.Name, added), "Take capability " + string(added) + " away",
				})
			}
		}
	}
	if unconfined(context.SeccompProfile) {
		list = append(list, violation{path + "seccompProfile", "container " + c.Name + " is without a seccomp profile", "Use the seccomp profile RuntimeDefault"})
	}
	if proc := context.ProcMount; proc != nil && *proc != corev1.DefaultProcMount && hostUsers {
		list = append(list, violation{path + "procMount", "container " + c.Name + " sees all of /proc", "Take procMount away"})
	}
	return list
}

func unconfined(profile *corev1.SeccompProfile) bool {
	return profile != nil && profile.Type == corev1.SeccompProfileTypeUnconfined
}

// belowRestricted returns what the restricted level forbids and the baseline level allows, but for running as root, which is a
// rule of its own. Pods of Windows are left out.
func belowRestricted(spec *corev1.PodSpec) []violation {
	if spec.OS != nil && spec.OS.Name == corev1.Windows {
		return nil
	}
	var list []violation
	confined := spec.SecurityContext != nil && spec.SecurityContext.SeccompProfile != nil
	for _, c := range containers(spec) {
		context := c.SecurityContext
		if context == nil {
			context = &corev1.SecurityContext{}
		}
		var lacks []string
		if context.AllowPrivilegeEscalation == nil || *context.AllowPrivilegeEscalation {
			lacks = append(lacks, "allowPrivilegeEscalation: false")
		}
		if context.Capabilities == nil || !slices.Contains(context.Capabilities.Drop, "ALL") {
			lacks = append(lacks, "capabilities.drop: [ALL]")
		}
		if context.SeccompProfile == nil && !confined {
			lacks = append(lacks, "seccompProfile.type: RuntimeDefault")
		}
		if len(lacks) > 0 {
			list = append(list, violation{
				c.path + ".securityContext", "container " + c.Name + " does not set " + strings.Join(lacks, ", "), "Set " + strings.Join(lacks, ", ") + " in the security context of container " + c.Name,
			})
		}
	}
	return list
}
