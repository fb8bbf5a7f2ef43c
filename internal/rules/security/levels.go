// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A violation is a field that a level forbids: its path from the pod, since which minor version the level has had that, where it is news, what
// is wrong, and what to do.
type violation struct {
	field, text, fix string
	since            int
}

// A visit is a container with the path of its own.
type visit struct {
	path string
	*corev1.Container
}

func containers(spec *corev1.PodSpec) []visit {
	var all []visit
	for i, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for j := range list {
			all = append(all, visit{"spec." + [...]string{"initContainers", "containers"}[i] + "[" + list[j].Name + "]", &list[j]})
		}
	}
	for i := range spec.EphemeralContainers {
		c := (*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon)
		all = append(all, visit{"spec.ephemeralContainers[" + c.Name + "]", c})
	}
	return all
}

// The values that the baseline level allows, as Kubernetes 1.37 has them (k8s.io/pod-security-admission/policy).
var (
	allowed = []corev1.Capability{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
	safeSysctls = []string{
		"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_rmem", "net.ipv4.tcp_slow_start_after_idle",
		"net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
	}
)

// belowBaseline returns what the baseline level forbids of a pod.
func belowBaseline(meta *metav1.ObjectMeta, spec *corev1.PodSpec) []violation {
	var list []violation
	for i, yes := range []bool{spec.HostNetwork, spec.HostPID, spec.HostIPC} {
		if yes {
			field := [...]string{"hostNetwork", "hostPID", "hostIPC"}[i]
			list = append(list, violation{field: "spec." + field, text: "the pod uses " + field + " of its node", fix: "Take " + field + " away"})
		}
	}
	for _, v := range spec.Volumes {
		if v.HostPath != nil {
			list = append(list, violation{
				field: "spec.volumes[" + v.Name + "].hostPath", text: fmt.Sprintf("volume %s is folder %s of the node", v.Name, v.HostPath.Path),
				fix: "Use a volume of another kind for " + v.Name,
			})
		}
	}
	if c := spec.SecurityContext; c != nil {
		list = append(list, forbiddenSysctls(c.Sysctls)...)
		list = append(list, profiles{"spec.securityContext.", "the pod", c.SELinuxOptions, c.SeccompProfile, c.AppArmorProfile, c.WindowsOptions}.belowBaseline()...)
	}
	list = append(list, unconfinedNotes(meta.Annotations)...)
	for _, c := range containers(spec) {
		list = append(list, c.takes(spec.HostNetwork)...)
		if c.SecurityContext != nil {
			list = append(list, c.belowBaseline(shareUsers(spec))...)
		}
	}
	return list
}

// shareUsers tells whether the users of a pod are those of its node, without which some settings do no harm.
func shareUsers(spec *corev1.PodSpec) bool { return spec.HostUsers == nil || *spec.HostUsers }

func forbiddenSysctls(sysctls []corev1.Sysctl) []violation {
	var list []violation
	for i, s := range sysctls {
		if !slices.Contains(safeSysctls, s.Name) {
			list = append(list, violation{
				field: fmt.Sprintf("spec.securityContext.sysctls[%d]", i), text: "the pod sets sysctl " + s.Name, fix: "Take sysctl " + s.Name + " away",
			})
		}
	}
	return list
}

// belowBaseline returns what the baseline level forbids in the security context of a container.
func (c visit) belowBaseline(shareUsers bool) []violation {
	var list []violation
	context, path := c.SecurityContext, c.path+".securityContext."
	if context.Privileged != nil && *context.Privileged {
		list = append(list, violation{field: path + "privileged", text: "container " + c.Name + " is privileged", fix: "Run container " + c.Name + " unprivileged"})
	}
	if context.Capabilities != nil {
		for i, added := range context.Capabilities.Add {
			if !slices.Contains(allowed, added) {
				list = append(list, c.adds(i, added))
			}
		}
	}
	list = append(list, profiles{path, "container " + c.Name, context.SELinuxOptions, context.SeccompProfile, context.AppArmorProfile, context.WindowsOptions}.belowBaseline()...)
	if shareUsers && c.unmasked() {
		list = append(list, c.seesProc())
	}
	return list
}

func (c visit) adds(i int, added corev1.Capability) violation {
	return violation{
		field: fmt.Sprintf("%s.securityContext.capabilities.add[%d]", c.path, i), text: fmt.Sprintf("container %s adds capability %s", c.Name, added),
		fix: "Take capability " + string(added) + " away",
	}
}

func (c visit) unmasked() bool {
	return c.SecurityContext != nil && c.SecurityContext.ProcMount != nil && *c.SecurityContext.ProcMount != corev1.DefaultProcMount
}

func (c visit) seesProc() violation {
	return violation{field: c.path + ".securityContext.procMount", text: "container " + c.Name + " sees all of /proc", fix: "Take procMount away"}
}
