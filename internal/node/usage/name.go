// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"regexp"
	"strings"
)

// A level is what a directory of the control groups is to the kubelet, told by its name.
type level uint8

const (
	strange   level = iota // none of its own: it may lie above
	kubepods               // of all pods
	class                  // of the pods of a quality of service
	pod                    //
	container              // of a container or of a pod's sandbox
)

var (
	containerID = regexp.MustCompile(`(?:^|-)([0-9a-f]{64})(?:\.scope)?$`)
	podUID      = regexp.MustCompile(`pod(?:[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?$`)
)

// levelOf tells what a directory is, as the kubelet's drivers name them: cgroupfs kubepods/burstable/podUID/ID, and systemd
// kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice/cri-containerd-ID.scope, below a prefix or not
// (kubernetes pkg/kubelet/cm/cgroup_manager_linux.go). The id is that of the container.
func levelOf(name string) (of level, id string) {
	plain := strings.TrimSuffix(name, ".slice")
	switch {
	case strings.HasPrefix(name, "crio-conmon-"): // the monitor of a container, which is not the container
		return strange, ""
	case podUID.MatchString(name):
		return pod, ""
	case plain == "kubepods" || strings.HasSuffix(name, "-kubepods.slice"):
		return kubepods, ""
	case plain == "burstable" || plain == "besteffort" || strings.HasSuffix(plain, "kubepods-burstable") || strings.HasSuffix(plain, "kubepods-besteffort"):
		return class, ""
	}
	if m := containerID.FindStringSubmatch(name); m != nil {
		return container, m[1]
	}
	return strange, ""
}

// mayHold tells whether the directory of all pods may lie in a strange directory.
func mayHold(name string) bool {
	for _, end := range []string{".scope", ".service", ".mount", ".socket", ".swap", ".timer"} {
		if strings.HasSuffix(name, end) {
			return false
		}
	}
	return !strings.HasPrefix(name, "crio-conmon-")
}
