// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	maxPath = 4096 // bytes of a path that are looked at, as PATH_MAX
	maxUID  = 64
)

// Place resolves the path of a control group, of either driver and version and relative to wherever, to the run or the pod
// whose processes are in it. Where the path names a pod that is not known, its UID is returned and ok is false.
func (x *Index) Place(cgroupPath string) (about evidence.Ref, podUID string, ok bool) {
	return x.place(idsOf(cgroupPath))
}

// Knows tells whether the runtime has told of the container that the path of a control group names, as far as it is one of a pod
// that is known. If not, it is asked at once, a few times a second: within moments Place says more.
func (r *Reader) Knows(cgroupPath string) bool {
	uid, id := idsOf(cgroupPath)
	if r.index.knows(uid, id) {
		return true
	}
	r.events.ask(uid, time.Now())
	return false
}

// idsOf reads the UID of the pod and the id of the container out of the path of a control group. The kubelet names that of a
// pod "pod" and its UID below "kubepods", or for systemd a slice "…-pod" and the UID with underscores (pkg/kubelet/cm
// cgroup_manager_linux.go, pod_container_manager_linux.go); the runtime names that of a container after its id, or for
// systemd "cri-containerd-ID.scope" and the like. What a container makes within its own control group comes after these.
func idsOf(path string) (uid, id string) {
	path = strings.TrimSuffix(strings.TrimSpace(path[:min(len(path), maxPath)]), " (deleted)") // as /proc says of one that was removed
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == ':' }) {
		if u := podOfGroup(part); u != "" && uid == "" {
			uid, id = u, "" // what was before it is where the node itself runs
		} else if c := containerOfGroup(part); c != "" && id == "" {
			id = c
		}
	}
	return uid, id
}

// podOfGroup returns the UID in the name of a pod's control group.
func podOfGroup(name string) string {
	uid, found := strings.CutPrefix(name, "pod")
	if slice, ok := strings.CutSuffix(name, ".slice"); ok {
		i := strings.LastIndex(slice, "-pod")
		if i < 0 {
			return ""
		}
		uid, found = strings.ReplaceAll(slice[i+len("-pod"):], "_", "-"), true
	}
	if !found || len(uid) < 8 || len(uid) > maxUID {
		return ""
	}
	for _, c := range []byte(uid) {
		if !isHex(c) && c != '-' {
			return ""
		}
	}
	return uid
}

// containerOfGroup returns the id in the name of a container's control group. That of CRI-O's conmon is the pod's: it is not
// a process of the container.
func containerOfGroup(name string) string {
	name = strings.TrimSuffix(name, ".scope")
	if strings.HasPrefix(name, "crio-conmon-") {
		return ""
	}
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		name = name[i+1:]
	}
	if len(name) != 64 {
		return ""
	}
	for _, c := range []byte(name) {
		if !isHex(c) {
			return ""
		}
	}
	return name
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
