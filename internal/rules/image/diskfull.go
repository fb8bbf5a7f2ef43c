// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// DiskFull recognises a node whose disk is full before the image is on it.
var DiskFull = &diagnosis.Rule{
	ID:    "IMG011",
	Title: "Node has no room for the image",
	Doc: `
The registry delivers, and the node cannot keep it: "no space left on device" while layers are stored or unpacked. The
image store of that node is full, or out of inodes. Image garbage collection begins at 85 % by default and cannot free
what is in use.

**How it is told from its look-alikes.** By "no space left on device" or "disk quota exceeded" in the pull error. The
same words from a container at work are about the container's volume, and from a mount about inotify or memory. Other
nodes pull the image without trouble. A node under DiskPressure takes no new pods, and evicts: this is seen before that,
or where image store and kubelet have disks of their own.

**What to do.** Free the disk of that node: images that nothing uses (crictl rmi --prune), logs, stopped containers.
Then see what grew, and whether the disk is large enough for the images of the pods it runs.

The string is the kernel's ENOSPC, passed on by the runtimes from unpacking (containerd core/diff/apply,
containers/storage).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events | evidence.Node,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.StorageFull, diagnosis.NodePressure},
	Run: on(full, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		node := p.NodeName()
		if pressure, _ := p.CiteNodeCondition("DiskPressure"); strings.Contains(pressure.Text, "status True") {
			f.facts = append(f.facts, pressure)
		}
		return fmt.Sprintf("the disk of node %s has no room for image %s of %s", node, f.image, f.of), []diagnosis.Fix{
			{Title: fmt.Sprintf("Free the image store of node %s of what nothing uses, and see what fills the disk", node), Command: "crictl rmi --prune && df -h && df -i"},
		}
	}),
}
