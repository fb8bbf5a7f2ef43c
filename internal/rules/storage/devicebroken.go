// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// DeviceBroken recognises a volume whose file system cannot be mounted from its device.
var DeviceBroken = &diagnosis.Rule{
	ID:    "STO014",
	Title: "File system of the volume cannot be mounted",
	Doc: `
The volume is attached, its device is there, and the file system on it cannot be mounted: fsck found errors that it may not
mend by itself, the superblock cannot be read, or the device holds something else than the volume says.

**How it is told from its look-alikes.** The words of fsck and mount(8) in the kubelet's Event. A network file system has no
device; "wrong fs type" from a server's mount is a missing client. An attachment that fails comes before all this.

**What to do.** Take a snapshot first. Then run fsck on the device by hand, with no pod using it; where fsType is wrong,
correct it. Never let a format be forced on a device that "already contains unknown data".

The words are those of kubernetes mount-utils (mount_linux.go: fsck, formatAndMount), fsck(8) and mount(8).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    mountEvidence,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: append([]diagnosis.Effect{diagnosis.KernelFailed, diagnosis.DeviceFailed}, causes...),
	Run: func(p *diagnosis.Pass) {
		for _, f := range failures(p, broken) {
			why := "its file system cannot be read"
			switch {
			case strings.Contains(f.Message, "fsck"):
				why = "fsck found errors that it may not mend by itself"
			case strings.Contains(f.Message, "already contains unknown data"), strings.Contains(f.Message, "unknown filesystem type"):
				why = "its device holds something else than the file system that is asked for"
			}
			f.report(p, fmt.Sprintf("%s of pod %s cannot be mounted on node %s: %s", f.name(p), p.About().Name, p.NodeName(), why), diagnosis.Fix{
				Title: "Save the device by a snapshot, and run fsck on it by hand while no pod uses it", Command: describe(p),
			})
		}
	},
}
