// SPDX-License-Identifier: Apache-2.0

package security

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// seLinuxTypes are the types that the baseline level allows.
var seLinuxTypes = []string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}

// The profiles are what the security contexts of pods and of containers have alike.
type profiles struct {
	path, who string
	seLinux   *corev1.SELinuxOptions
	seccomp   *corev1.SeccompProfile
	appArmor  *corev1.AppArmorProfile
	windows   *corev1.WindowsSecurityContextOptions
}

func (p profiles) belowBaseline() []violation {
	var list []violation
	add := func(field, text, fix string) {
		list = append(list, violation{field: p.path + field, text: p.who + " " + text, fix: fix})
	}
	if p.seccomp != nil && !isConfined(p.seccomp) {
		add("seccompProfile", "is without a seccomp profile", "Use the seccomp profile RuntimeDefault")
	}
	if p.appArmor != nil && p.appArmor.Type != corev1.AppArmorProfileTypeRuntimeDefault && p.appArmor.Type != corev1.AppArmorProfileTypeLocalhost {
		add("appArmorProfile", "is without an AppArmor profile", "Use the AppArmor profile RuntimeDefault")
	}
	if p.windows != nil && p.windows.HostProcess != nil && *p.windows.HostProcess {
		add("windowsOptions.hostProcess", "runs as processes of its node", "Take hostProcess away")
	}
	if p.seLinux == nil {
		return list
	}
	if !slices.Contains(seLinuxTypes, p.seLinux.Type) {
		add("seLinuxOptions.type", "has SELinux type "+p.seLinux.Type, "Use SELinux type container_t")
	}
	if p.seLinux.User != "" {
		add("seLinuxOptions.user", "has SELinux user "+p.seLinux.User, "Take the SELinux user away")
	}
	if p.seLinux.Role != "" {
		add("seLinuxOptions.role", "has SELinux role "+p.seLinux.Role, "Take the SELinux role away")
	}
	return list
}

func isConfined(p *corev1.SeccompProfile) bool {
	return p.Type == corev1.SeccompProfileTypeRuntimeDefault || p.Type == corev1.SeccompProfileTypeLocalhost
}

// unconfinedNotes returns the annotations by which containers go without their AppArmor profile, which the API server still heeds.
func unconfinedNotes(notes map[string]string) []violation {
	var list []violation
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		container, is := strings.CutPrefix(name, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix)
		value := notes[name]
		if !is || value == "" || value == corev1.DeprecatedAppArmorBetaProfileRuntimeDefault || strings.HasPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix) {
			continue
		}
		list = append(list, violation{
			field: "metadata.annotations[" + name + "]", text: "container " + container + " is without an AppArmor profile", fix: "Take annotation " + name + " away",
		})
	}
	return list
}
