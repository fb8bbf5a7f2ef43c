// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// MountFailed recognises a mount that the runtime cannot make inside the container.
var MountFailed = &diagnosis.Rule{
	ID:    "CRT005",
	Title: "Mount of the container cannot be made",
	Doc: `
The volume is there on the node, and the runtime cannot mount it into the container: the source vanished, a subPath is
stale, the place to mount at cannot be made because it lies in a read-only mount, or the kernel refuses.

**How it is told from its look-alikes.** By the runtime's words about a mount. A volume that the kubelet could not set
up has the Event FailedMount, and no container is tried. "a directory onto a file" is a matter of type, and has a rule
of its own. The message ends in the words of a missing command, but the file it names is the mount's.

**What to do.** By the last words. "no such file or directory": the source is gone; a ConfigMap that was changed while
the container restarts leaves a subPath stale, and a new pod mends it. "read-only file system": do not mount below a
ConfigMap, a Secret or a read-only volume, but beside it. "permission denied": SELinux, or a network file system that
maps root away.

The wordings are runc's (libcontainer/rootfs_linux.go), crun's, containerd's (pkg/oci/mounts.go) and moby's
(daemon/volumes_unix.go).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.VolumeFailed, diagnosis.ConfigChanged, diagnosis.RolledOut, diagnosis.KernelFailed},
	Run: on(mount, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		why := inner(r.text)
		message := fmt.Sprintf("container %s could not be %s for a mount: %s", p.About().Container, r.step(), said(r.text))
		fix := diagnosis.Fix{Title: "Look at the source of the mount on the node, and at what the place it is mounted on lies in"}
		if m, v := mountIn(p, r.text); m != nil {
			r.facts = append(r.facts, citeMount(p, m))
			message = fmt.Sprintf("container %s could not be %s: volume %s cannot be mounted on %s: %s",
				p.About().Container, r.step(), m.Name, m.MountPath, lastWords(why))
			if (v.ConfigMap != nil || v.Secret != nil || v.Projected != nil) && m.SubPath != "" {
				fix.Title = fmt.Sprintf("Delete the pod: the subPath %s of volume %s is stale since its object was changed, and a new pod mounts it afresh", m.SubPath, m.Name)
				fix.Command = fmt.Sprintf("kubectl delete pod -n %s %s", p.About().Namespace, p.About().Name)
			}
		}
		switch {
		case strings.Contains(why, "mount source path"), strings.Contains(why, "failed to mkdir"):
			fix.Title = fmt.Sprintf("See that the path exists on node %s, or that it can be made there", p.NodeName())
		case strings.Contains(why, "read-only file system"):
			fix = diagnosis.Fix{Title: "Do not mount below a read-only volume: mount it beside, or make the directory in the volume first"}
		}
		return message, []diagnosis.Fix{fix}
	}),
}
