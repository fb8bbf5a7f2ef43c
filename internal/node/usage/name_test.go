// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"strings"
	"testing"
)

// TestLevels: names of each driver and runtime. The monitor that CRI-O has for a container is none, wherever conmon_cgroup puts it.
func TestLevels(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	const uid = "1a2b3c4d-0001-4a5b-8c6d-0123456789ab"
	escaped := strings.ReplaceAll(uid, "-", "_")
	for name, want := range map[string]level{
		"kubepods": kubepods, "kubepods.slice": kubepods, "kubelet-kubepods.slice": kubepods,
		"burstable": class, "kubepods-besteffort.slice": class,
		"pod" + uid: pod, "kubepods-burstable-pod" + escaped + ".slice": pod,
		id: container, "cri-containerd-" + id + ".scope": container, "docker-" + id + ".scope": container,
		"crio-" + id + ".scope": container, "crio-" + id: container,
		"crio-conmon-" + id + ".scope": strange, "crio-conmon-" + id: strange, "conmon.slice": strange, "container": strange,
	} {
		of, got := levelOf(name)
		if of != want || (got == id) != (want == container) {
			t.Errorf("%s is %d of %q, want %d", name, of, got, want)
		}
	}
	if mayHold("crio-conmon-" + id) {
		t.Error("pods are looked for in a monitor's group")
	}
}
