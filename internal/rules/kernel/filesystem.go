// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// FileSystemError recognises a file system that is damaged or has been closed to writes.
var FileSystemError = &diagnosis.Rule{
	ID:    "KRN006",
	Title: "File system is damaged or read-only",
	Doc: `
A file system found an inconsistency in its own data or could not write its journal. Most protect what is left: XFS shuts down, btrfs goes
read-only, and ext4 does so or goes on, as its errors= option says. Containers get EROFS or EIO then; on the root file system the kubelet
and the runtime cannot write either.

**How it is told from its look-alikes.** By the file system's own line with the device. "EXT4-fs warning" and a mount with
an unclean journal that was recovered are no damage. An I/O error of the disk may have come before: that is the cause then. A container
whose root file system is read-only by its security context gets EROFS with no such line in the kernel log.

**What to do.** Move the pods away, find out whether the disk is at fault, check the file system unmounted, replace the node.

The lines are written in fs/ext4/super.c, fs/jbd2/journal.c, fs/xfs/xfs_fsops.c and fs/btrfs/messages.c.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host,
	Also:     evidence.Spec | evidence.Status,
	Effect:   diagnosis.KernelFailed,
	CausedBy: []diagnosis.Effect{diagnosis.DeviceFailed},
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "fs-readonly", "fs-error")
		if len(facts) == 0 {
			return
		}
		state := "is damaged: the kernel found errors in it"
		for _, f := range facts {
			if f.Name == "fs-readonly" {
				state = "was made read-only after an error: what writes there fails"
			} else if strings.Contains(f.Text, "own filesystem") { // in two tenses
				state = "was shut down after an error: what uses it fails"
			}
		}
		where := nodeName(p)
		if names := distinct(facts, device); len(names) > 0 {
			where += " on " + strings.Join(names, ", ")
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("a file system of %s %s", where, state),
			Fixes: []diagnosis.Fix{
				drain(p, "Move the pods away from "+nodeName(p)),
				onNode("See whether the disk is at fault, and check the file system unmounted", "smartctl -a /dev/DISK; "+checker(facts[0])+" /dev/DISK"),
			},
		})
	},
}

// checker is the program that looks at a file system of that sort without changing it.
func checker(f evidence.Fact) string {
	sort, _, _ := strings.Cut(f.Text, " ")
	return cmp.Or(map[string]string{"XFS": "xfs_repair -n", "BTRFS": "btrfs check --readonly"}[sort], "e2fsck -n")
}

var deviceName = regex.New(`(?:journal on device|file data on) (\S+)-\d+\b|\bdev(?:ice)? ([a-z][a-z0-9-]+)|^[\w-]+ \(([a-z0-9-]+)\):|^nvme (nvme\d+):`)

// device returns the name of the block device in a record.
func device(f evidence.Fact) string { return matched(deviceName, f) }
