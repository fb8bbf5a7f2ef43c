// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// WatchesExhausted recognises a process that ends because the node lets it watch no more files.
var WatchesExhausted = &diagnosis.Rule{
	ID:    "EXT018",
	Title: "Node has no inotify watches left",
	Doc: `
Programs that reload when a file changes use inotify. The kernel counts instances and watches for each user of the node, over all
containers that run as that user, and refuses more than fs.inotify.max_user_instances (128 by default) and max_user_watches.

**How it is told from its look-alikes.** The kernel has no error of its own for it: it says ENOSPC, "no space left on device",
though no disk is full, or EMFILE, "too many open files", though few are open. What tells it is that the message is about
inotify or a watcher.

**What to do.** Raise the two sysctls on the nodes; they are not namespaced, so that a pod cannot set them for itself. Look for
the program that takes most of them.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(diagnosis.NodeSaturated),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != watchesOut {
			return
		}
		p.Report(e.finding(p, "node "+p.NodeName()+" lets its user watch no more files: "+e.said, diagnosis.Fix{
			Title:   "Raise fs.inotify.max_user_instances and fs.inotify.max_user_watches on node " + p.NodeName() + "; no disk is full",
			Command: "kubectl debug node/" + p.NodeName() + " -it --image=busybox -- sysctl fs.inotify",
		}))
	},
}
