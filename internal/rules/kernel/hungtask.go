// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// HungTask recognises processes that cannot be woken, not even by a signal.
var HungTask = &diagnosis.Rule{
	ID:    "KRN005",
	Title: "Task is hung in the kernel",
	Doc: `
A process has slept in the kernel for more than two minutes in a state from which no signal wakes it (D, uninterruptible),
waiting for a disk, a server of files, or a lock that another such process holds. It cannot be killed: its container does not stop,
its pod stays Terminating, and whatever else needs the same lock hangs too.

**How it is told from its look-alikes.** By "task … blocked for more than … seconds". It burns no processor time: that would
be a lockup. One short report while a disk is overloaded passes by itself; the same task again and again does not. The function in which
it waits says for what: jbd2 and xfs_log for the journal of a file system, blkdev and blk for a block device, nfs and rpc for a server of
files, netns and rtnl for network devices. A kernel that panics over it (kernel.hung_task_panic) says so as well.

**What to do.** Look at the disk or the server first: the process is the victim. Restart the node when the task stays.

The line is written in kernel/hung_task.c.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host,
	Also:     evidence.Spec | evidence.Status,
	Effect:   diagnosis.KernelFailed,
	CausedBy: []diagnosis.Effect{diagnosis.DeviceFailed, diagnosis.DependencyDown},
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "hung-task")
		if len(facts) == 0 {
			return
		}
		root := rootOf(facts)
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, At: facts[0].At, Facts: few(append([]evidence.Fact{root}, without(facts, root)...)),
			Message: hung(p, root, facts),
			Fixes: []diagnosis.Fix{
				onNode("See which processes sleep uninterruptibly, and where", "ps -eo pid,stat,wchan:32,comm | awk '$2 ~ /D/'"),
				reboot(p, ": a task in this state cannot be killed"),
			},
		})
	},
}

// blockedTask returns the name of the task in a record, and for how many seconds it is blocked.
func blockedTask(f evidence.Fact) (task, seconds string) {
	task, seconds, _ = strings.Cut(blocked.ReplaceAllString(f.Text, "$1\n$2"), "\n")
	return task, seconds
}

// journals are the names of the kernel's threads that write the journal or the log of a file system.
var journals = regex.New(`^(?:jbd2/|xfsaild/|btrfs-transacti)`)

var blocked = regex.New(`^.*?task (.*):\d+ blocked for more than (\d+) seconds.*$`)

// A wait is what it means to wait in functions of a part of the kernel.
type wait struct{ part, means string }

// waits say what it means to wait in a function. The first that fits a stack counts.
var waits = []wait{
	{"jbd2", "the journal of an ext4 file system does not get on, so writes to it hang"},
	{"xfs_log", "the log of an XFS file system does not get on, so writes to it hang"},
	{"xlog_", "the log of an XFS file system does not get on, so writes to it hang"},
	{"btrfs", "a btrfs file system does not get on"},
	{"nfs", "it waits for a server of files (NFS)"},
	{"rpc_", "it waits for a server of files (NFS)"},
	{"cifs", "it waits for a server of files (SMB)"},
	{"smb2", "it waits for a server of files (SMB)"},
	{"ceph", "it waits for Ceph"},
	{"rbd_", "it waits for a Ceph block device"},
	{"fuse_", "it waits for the program behind a FUSE mount"},
	{"aufs", "it waits for a lock of the aufs storage driver"},
	{"au_", "it waits for a lock of the aufs storage driver"},
	{"ovl_", "it waits in the overlay file system of containers"},
	{"blkdev", "it waits for a block device"},
	{"bd_", "it waits for a block device"},
	{"blk_", "it waits for a block device"},
	{"wbt_wait", "writes back to a disk do not get on"},
	{"nvme", "it waits for an NVMe disk"},
	{"dm_", "it waits for the device mapper"},
	{"loop_", "it waits for a loop device"},
	{"umount", "a file system cannot be unmounted"},
	{"deactivate_super", "a file system cannot be unmounted"},
	{"cleanup_net", "a network namespace cannot be taken down"},
	{"copy_net_ns", "a network namespace cannot be made"},
	{"rtnl", "it waits for the lock of network devices"},
	{"cgroup", "it waits for a control group"},
	{"ext4", "it waits for an ext4 file system"},
	{"xfs", "it waits for an XFS file system"},
	{"filemap", "it waits for pages of a file to be read or written"},
	{"fsync", "it waits for a file to reach the disk"},
	{"io_schedule", "it waits for a disk"},
}

// rootOf returns the task that the others most likely wait for: the one that writes a journal or the log of a file
// system, else the first reported.
func rootOf(facts []evidence.Fact) evidence.Fact {
	for _, f := range facts {
		if task, _ := blockedTask(f); journals.MatchString(task) {
			return f
		}
	}
	return facts[0]
}

func without(facts []evidence.Fact, one evidence.Fact) []evidence.Fact {
	var rest []evidence.Fact
	for _, f := range facts {
		if f != one {
			rest = append(rest, f)
		}
	}
	return rest
}

func hung(p *diagnosis.Pass, root evidence.Fact, facts []evidence.Fact) string {
	task, seconds := blockedTask(root)
	text := fmt.Sprintf("task %s of %s is hung in the kernel%s for more than %s s", task, nodeName(p), in(root), seconds)
	_, stack := place(root)
	fits := func(w wait) bool { return strings.Contains(stack, w.part) || strings.Contains(task, w.part) }
	if i := slices.IndexFunc(waits, fits); i >= 0 {
		text += ": " + waits[i].means
	}
	others := distinct(without(facts, root), func(f evidence.Fact) string {
		other, _ := blockedTask(f)
		return other
	})
	others = slices.DeleteFunc(others, func(other string) bool { return other == task })
	if len(others) > 0 {
		text += "; " + strings.Join(others, ", ") + " hung too"
	}
	return text
}
