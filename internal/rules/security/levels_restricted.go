// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// belowRestricted returns what the restricted level forbids of a pod and the baseline level allows.
func belowRestricted(spec *corev1.PodSpec) []violation {
	var list []violation
	for i := range spec.Volumes {
		if kind := barred(&spec.Volumes[i].VolumeSource); kind != "" {
			name := spec.Volumes[i].Name
			list = append(list, violation{
				field: "spec.volumes[" + name + "]." + kind, text: fmt.Sprintf("volume %s is of type %s", name, kind), fix: "Use a claim for volume " + name,
			})
		}
	}
	pod := spec.SecurityContext
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	if shareUsers(spec) {
		list = append(list, asRoot("spec", "the pod", pod.RunAsUser, pod.RunAsNonRoot)...)
	}
	for _, c := range containers(spec) {
		if c.SecurityContext != nil {
			list = append(list, c.belowRestricted(shareUsers(spec))...)
		}
		if lacks := lacking(spec, pod, c.SecurityContext); len(lacks) > 0 {
			what := strings.Join(lacks, ", ")
			list = append(list, violation{
				field: c.path + ".securityContext", text: "container " + c.Name + " does not set " + what, fix: "Set " + what + " in the security context of container " + c.Name,
			})
		}
	}
	return list
}

// belowRestricted returns what the restricted level forbids of what is in the security context of a container.
func (c visit) belowRestricted(shareUsers bool) []violation {
	var list []violation
	context := c.SecurityContext
	switch {
	case shareUsers:
		list = asRoot(c.path, "container "+c.Name, context.RunAsUser, context.RunAsNonRoot)
	case c.unmasked():
		list = append(list, c.seesProc())
	}
	if context.Capabilities == nil {
		return list
	}
	for i, added := range context.Capabilities.Add {
		if added != "NET_BIND_SERVICE" && slices.Contains(allowed, added) {
			list = append(list, c.adds(i, added))
		}
	}
	return list
}

// asRoot returns the settings of a security context by which containers run as root.
func asRoot(path, who string, user *int64, nonRoot *bool) []violation {
	var list []violation
	if user != nil && *user == 0 {
		list = append(list, violation{field: path + ".securityContext.runAsUser", text: who + " runs as user 0", fix: "Set runAsUser to another user than 0"})
	}
	if nonRoot != nil && !*nonRoot {
		list = append(list, violation{field: path + ".securityContext.runAsNonRoot", text: who + " may run as root", fix: "Set runAsNonRoot"})
	}
	return list
}

// lacking returns the settings that the restricted level demands of a container, in its context or that of its pod, and that nobody has made:
// what is made wrongly is told by itself. The API server allows none but the last of them in pods of Windows.
func lacking(spec *corev1.PodSpec, pod *corev1.PodSecurityContext, c *corev1.SecurityContext) []string {
	if c == nil {
		c = &corev1.SecurityContext{}
	}
	var lacks []string
	if spec.OS == nil || spec.OS.Name != corev1.Windows {
		if c.AllowPrivilegeEscalation == nil || *c.AllowPrivilegeEscalation {
			lacks = append(lacks, "allowPrivilegeEscalation: false")
		}
		if c.Capabilities == nil || !slices.Contains(c.Capabilities.Drop, "ALL") {
			lacks = append(lacks, "capabilities.drop: [ALL]")
		}
		if c.SeccompProfile == nil && pod.SeccompProfile == nil {
			lacks = append(lacks, "seccompProfile.type: RuntimeDefault")
		}
	}
	if shareUsers(spec) && c.RunAsNonRoot == nil && pod.RunAsNonRoot == nil {
		lacks = append(lacks, "runAsNonRoot: true")
	}
	return lacks
}

// barred returns the type of a volume where the restricted level does not allow it; "" where it does, where none is set, which makes an
// emptyDir, and of hostPath, which the baseline level does not allow either.
func barred(v *corev1.VolumeSource) string {
	for _, kind := range [...]struct {
		name string
		is   bool
	}{
		{"awsElasticBlockStore", v.AWSElasticBlockStore != nil}, {"azureDisk", v.AzureDisk != nil}, {"azureFile", v.AzureFile != nil},
		{"cephfs", v.CephFS != nil}, {"cinder", v.Cinder != nil}, {"fc", v.FC != nil}, {"flexVolume", v.FlexVolume != nil},
		{"flocker", v.Flocker != nil}, {"gcePersistentDisk", v.GCEPersistentDisk != nil}, {"gitRepo", v.GitRepo != nil},
		{"glusterfs", v.Glusterfs != nil}, {"iscsi", v.ISCSI != nil}, {"nfs", v.NFS != nil},
		{"photonPersistentDisk", v.PhotonPersistentDisk != nil}, {"portworxVolume", v.PortworxVolume != nil}, {"quobyte", v.Quobyte != nil},
		{"rbd", v.RBD != nil}, {"scaleIO", v.ScaleIO != nil}, {"storageos", v.StorageOS != nil}, {"vsphereVolume", v.VsphereVolume != nil},
	} {
		if kind.is {
			return kind.name
		}
	}
	return ""
}
