// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// DiskError recognises a block device that does not read or write.
var DiskError = &diagnosis.Rule{
	ID:    "KRN007",
	Title: "Disk has I/O errors",
	Doc: `
A block device did not read or write what it was told to: a broken disk, a volume that was detached or whose server is gone,
a controller that was reset. Files there cannot be read, writes are lost, processes hang or die of SIGBUS or EIO.

**How it is told from its look-alikes.** By "I/O error, dev …" with device and sector, the buffer's "Buffer I/O error on dev",
a time-out of an NVMe controller, or "rejecting I/O to offline device". A full disk gives ENOSPC and no line in the kernel log. A slow disk hangs tasks and gives no error. Errors of
floppy and optical drives (fd0, sr0) mean nothing on a node.

**What to do.** Replace the disk or attach the volume anew; on a cloud provider stop and start the machine, so that it gets other
hardware. Check file systems on it.

The lines are written in block/blk-core.c, fs/buffer.c, drivers/nvme/host/pci.c and drivers/scsi/scsi_lib.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.DeviceFailed,
	Run: func(p *diagnosis.Pass) {
		var facts []evidence.Fact
		for _, f := range records(p, "io-error") {
			if name := device(f); !strings.HasPrefix(name, "fd") && !strings.HasPrefix(name, "sr") {
				facts = append(facts, f)
			}
		}
		if len(facts) == 0 {
			return
		}
		on := "a disk"
		if names := distinct(facts, device); len(names) > 0 {
			on = "disk " + strings.Join(names, ", ")
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("%s of %s has I/O errors%s: what is stored there cannot be relied on", on, nodeName(p), times(facts)),
			Fixes: []diagnosis.Fix{
				onNode("See what the disk says of itself, and whether the volume is still attached", "smartctl -a /dev/DISK; lsblk"),
				drain(p, "Move the pods away from "+nodeName(p)),
			},
		})
	},
}
