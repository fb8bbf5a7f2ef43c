// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoRoom recognises a node whose disk is full when the container is made.
var NoRoom = &diagnosis.Rule{
	ID:    "CRT014",
	Title: "Node has no room to make the container",
	Doc: `
The image is there, and the runtime cannot make what belongs to the container: its writable layer, its state below /run,
its log. The disk or the memory file system that holds it is full, or has no inodes left.

**How it is told from its look-alikes.** By "no space left on device" with CreateContainerError or StartError, about
neither a cgroup, a mount nor a device. While the image is pulled the same words come with ErrImagePull. A container at
work that fills a volume ends by itself.

**What to do.** Look at the disks of that node, /run included, and at their inodes. Free what nothing uses.

The string is the kernel's ENOSPC, passed on by containerd's snapshotters and shims and by containers/storage.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.StorageFull, diagnosis.NodePressure, diagnosis.KernelFailed},
	Run: on(noRoom, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		return fmt.Sprintf("container %s could not be %s: node %s has no room left: %s", p.About().Container, r.step(), p.NodeName(), said(r.text)),
			[]diagnosis.Fix{{Title: fmt.Sprintf("Free the disk of node %s that the message names", p.NodeName()), Command: "df -h && df -i"}}
	}),
}
