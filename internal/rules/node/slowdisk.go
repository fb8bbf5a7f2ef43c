// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SlowDisk recognises a kubelet that is held up by its disk.
var SlowDisk = &diagnosis.Rule{
	ID:    "NOD018",
	Title: "Kubelet is held up by a slow disk",
	Doc: `
The kubelet measures how much each container has written, and for some that took more than a second; or it could not rotate logs. The disk is saturated, or there are very many files. Whatever else is on that
disk, the runtime's database and image layers first, is slow too.

**How it is told from its look-alikes.** By "fs: disk usage and inodes count on following dirs took", more than once, or by "failed to rotate log". One such line after a start means nothing. A disk with I/O errors says so in the kernel log; a
full disk says no space left on device.

**What to do.** Find who reads and writes; a cloud disk may have used up its burst of operations. Rotate logs sooner (containerLogMaxSize) and keep many small files out of containers.

The words are in cadvisor container/common/fsHandler.go and kubernetes pkg/kubelet/logs/container_log_manager.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host,
	Also:     evidence.Node | evidence.Spec | evidence.Status,
	Effect:   diagnosis.NodeSaturated,
	CausedBy: []diagnosis.Effect{diagnosis.DeviceFailed, diagnosis.StorageFull},
	Run: func(p *diagnosis.Pass) {
		slow, logs := troubles(p, "disk-usage-slow"), troubles(p, "log-rotation")
		if len(slow) < 2 && len(logs) == 0 {
			return
		}
		what := "needs long to measure what its containers have written, so its disk is slow or holds very many files"
		if len(slow) < 2 {
			what = "cannot rotate the logs of its containers, which go on growing"
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(append(slow, logs...)),
			Message: fmt.Sprintf("the kubelet of %s %s", nodeName(p), what),
			Fixes:   look("Find who reads and writes on that disk", "iostat -xz 1 5; pidstat -d 1 5; du -xsh /var/log/pods/* | sort -h | tail"),
		})
	},
}
