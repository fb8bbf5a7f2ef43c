// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// TooManyFiles recognises a process that ends because it may not open another file or connection.
var TooManyFiles = &diagnosis.Rule{
	ID:    "EXT017",
	Title: "Process ran out of file descriptors",
	Doc: `
Each open file, socket and pipe takes a descriptor. The kernel refused one more: EMFILE, because the process reached its own
limit (RLIMIT_NOFILE, which it gets from the container runtime), or ENFILE, because the whole node did.

**How it is told from its look-alikes.** By the words of the error. The same words in a message about watching files are about
inotify instances, which the node counts for each user, and are another rule's. "no space left on device" is about disks, or
about inotify again.

**What to do.** A number of descriptors that only grows is a leak: connections that are not closed, responses whose bodies
are not read. If the need is real, raise the soft limit in the program or the runtime's LimitNOFILE on the node.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(diagnosis.NodeSaturated),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != filesOut {
			return
		}
		why := "it reached its limit of open files: "
		fix := e.readLog(p, "Look for descriptors that are never closed; else raise the limit of open files of the program or of the node's container runtime")
		if ofSystem.MatchString(e.said) {
			why = "its node has no file handles left: "
			fix = diagnosis.Fix{Title: "Look for what holds files open on node " + p.NodeName() + ", and raise fs.file-max there", Command: "kubectl debug node/" + p.NodeName() + " -it --image=busybox -- cat /proc/sys/fs/file-nr"}
		}
		p.Report(e.finding(p, why+e.said, fix))
	},
}

// ofSystem are the words for ENFILE, by which it is told from EMFILE (strerror(3)).
var ofSystem = regex.New(`(?i)enfile|file table overflow|in system`)
