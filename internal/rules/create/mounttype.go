// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"slices"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// MountType recognises a mount whose source and target are not of one type.
var MountType = &diagnosis.Rule{
	ID:    "CRT004",
	Title: "Directory is mounted onto a file, or a file onto a directory",
	Doc: `
A bind mount needs a file on a file, or a directory on a directory. Here one side is the other type, and the runtime
cannot start the container. The usual way to get there is a subPath that names a key which the ConfigMap or Secret does
not have: the kubelet makes an empty directory in its place. The other is a hostPath without a type that was made as a
directory because the file was not there, and a mountPath that is a file of the image.

**How it is told from its look-alikes.** By "not a directory: Are you trying to mount a directory onto a file" (runc) or
"Is a directory". A mount whose source is missing says "no such file or directory". The finding names the volume by the
mount path in the message, and compares its subPath with the keys of the ConfigMap where they are known.

**What to do.** Correct the subPath, or mount the whole volume on a directory. Give a hostPath the type File, so that it
fails early and plainly.

The sentence is runc's (libcontainer/rootfs_linux.go); the kubelet makes the missing subPath in
pkg/kubelet/kubelet_pods.go (makeMounts). Recorded from Kubernetes 1.37 with runc.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigMissing, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(mountType, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		m, v := mountIn(p, r.text)
		if m == nil {
			return fmt.Sprintf("container %s could not be %s: one of its mounts puts a directory onto a file or a file onto a directory: %s",
				p.About().Container, r.step(), said(r.text)), []diagnosis.Fix{{Title: "Make source and target of the mount of one type"}}
		}
		r.facts = append(r.facts, citeMount(p, m))
		message := fmt.Sprintf("container %s could not be %s: volume %s and its mount path %s are not of one type, one is a file and one a directory",
			p.About().Container, r.step(), m.Name, m.MountPath)
		fix := diagnosis.Fix{Title: fmt.Sprintf("Mount volume %s on a directory, or the file in it that belongs at %s", m.Name, m.MountPath)}
		switch {
		case v.HostPath != nil:
			fix.Title = fmt.Sprintf("See what %s is on node %s; give the hostPath the type File or Directory so that it fails plainly", v.HostPath.Path, p.NodeName())
			fix.Command = "ls -ld " + v.HostPath.Path
		case m.SubPath != "":
			name := configMapOf(v)
			keys, exists, _ := p.Keys(name)
			if exists && !slices.Contains(keys, m.SubPath) {
				message += fmt.Sprintf("; ConfigMap %s has no key %s, so an empty directory stands in its place", name, m.SubPath)
				fix.Title = fmt.Sprintf("Correct the subPath %s of volume %s, or add that key to ConfigMap %s", m.SubPath, m.Name, name)
			}
		}
		return message, []diagnosis.Fix{fix}
	}),
}
