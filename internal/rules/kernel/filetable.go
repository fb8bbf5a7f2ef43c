// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// FileTable recognises that no further file can be opened on the node.
var FileTable = &diagnosis.Rule{
	ID:    "KRN013",
	Title: "No further file can be opened",
	Doc: `
The kernel's table of open files is full (fs.file-max), or the kubelet or the runtime has reached the limit of its own service (LimitNOFILE) or
of inotify instances. New connections, logs and exec sessions fail; the kubelet cannot watch files and may not start pods.

**How it is told from its look-alikes.** "VFS: file-max limit … reached" comes from the kernel and is about the node. "too many open files" from the kubelet
or the runtime is about their process or, with inotify or fsnotify near it, about fs.inotify.max_user_instances. The same words in a pod's log are about
that pod.

**What to do.** Find who holds the files, and raise the limit that is reached.

The line is written in fs/file_table.c; the other is errno 24 (EMFILE) or 23 (ENFILE).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Effect: diagnosis.NodeSaturated,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "file-table")
		if len(facts) == 0 {
			return
		}
		who := "the kubelet or the runtime of " + nodeName(p) + " has reached its limit of open files"
		for _, f := range facts {
			if f.Source == evidence.FromKernel {
				who = "the table of open files of " + nodeName(p) + " is full (fs.file-max)"
			}
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("%s%s: no further file or connection can be opened", who, times(facts)),
			Fixes:   []diagnosis.Fix{onNode("See how many are open, and who has them", "cat /proc/sys/fs/file-nr; lsof -n | awk '{print $1}' | sort | uniq -c | sort -rn | head")},
		})
	},
}
