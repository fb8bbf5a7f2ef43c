// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// FileTable recognises that no further file can be opened on the node.
var FileTable = &diagnosis.Rule{
	ID:    "KRN013",
	Title: "No further file can be opened",
	Doc: `
The kernel's table of open files is full (fs.file-max), or the kubelet or the runtime has reached the limit of its own service (LimitNOFILE) or
of inotify instances. New connections, logs and exec sessions fail; without inotify the kubelet cannot watch files and may not start pods.

**How it is told from its look-alikes.** "VFS: file-max limit … reached" comes from the kernel and is about the node. "too many open files" from the kubelet
or the runtime is about their process or, with inotify or fsnotify near it, about fs.inotify.max_user_instances. The same words in a pod's log are about
that pod.

**What to do.** Find who holds the files, and raise the limit that is reached.

The line is written in fs/file_table.c; the other is errno 24 (EMFILE) or 23 (ENFILE).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.NodeSaturated,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "file-table")
		if len(facts) == 0 {
			return
		}
		message := "the kubelet or the runtime of " + nodeName(p) + " has reached its limit of open files%s: it can open no further file or connection"
		look := "cat /proc/sys/fs/file-nr; lsof -n | awk '{print $1}' | sort | uniq -c | sort -rn | head"
		for _, f := range facts {
			switch {
			case f.Source == evidence.FromKernel:
				message = "the table of open files of " + nodeName(p) + " is full (fs.file-max)%s: no further file or connection can be opened"
			case watching.MatchString(f.Text):
				message = "the kubelet or the runtime of " + nodeName(p) + " gets no further inotify instance%s: it cannot watch files"
				look = "sysctl fs.inotify; find /proc/[0-9]*/fd -lname anon_inode:inotify | cut -d/ -f3 | sort | uniq -c | sort -rn | head"
			}
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf(message, times(facts)),
			Fixes:   []diagnosis.Fix{onNode("See how many there are, and who has them", look)},
		})
	},
}

// watching are the words for what an inotify instance is taken for.
var watching = regex.New(`inotify|fsnotify|watcher`)
