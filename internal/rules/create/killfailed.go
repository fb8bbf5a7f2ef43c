// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// KillFailed recognises a container that does not die when the runtime kills it.
var KillFailed = &diagnosis.Rule{
	ID:    "CRT011",
	Title: "Runtime cannot kill the container",
	Doc: `
The kubelet wants the container to stop, and the runtime cannot end it: its process is in uninterruptible sleep (state
D, in a system call on a network file system or a broken disk), or the runtime itself hangs. The pod stays Terminating,
or keeps a container that should have been restarted.

**How it is told from its look-alikes.** By KillContainerError in the Event FailedKillPod, or as the reason it waits
for. A container that takes its grace period dies in the end. KillPodSandboxError in the same Event is about the pod's
network or sandbox, not about a process. A finalizer holds the object, not the process.

**What to do.** On the node look for processes in state D (ps -eo state,pid,wchan,cmd) and for hung_task in the kernel
log. Mend the mount it waits for; if that cannot be done, reboot the node. Restart the runtime where no process is left.

The reason is ErrKillContainer in kubernetes pkg/kubelet/container/sync_result.go; the Event is written in
pkg/kubelet/kubelet.go.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.StuckTerminating,
	CausedBy: []diagnosis.Effect{
		diagnosis.RuntimeFailed, diagnosis.KernelFailed, diagnosis.VolumeFailed, diagnosis.NodeSaturated,
		diagnosis.DeviceFailed,
	},
	Run: func(p *diagnosis.Pass) {
		container := p.About().Container
		f := diagnosis.Finding{Confidence: diagnosis.Likely}
		why := ""
		if w, ok := p.CiteWaiting(); ok && p.Status().State.Waiting.Reason == "KillContainerError" {
			f.Confidence, f.At, why = diagnosis.Certain, began(p), p.Status().State.Waiting.Message
			f.Facts = append(f.Facts, w)
		}
		e, ok := newest(p.Events("FailedKillPod"))
		if named := fmt.Sprintf(`"KillContainer" for %q with KillContainerError`, container); ok && strings.Contains(strings.ReplaceAll(e.Message, `\\"`, `"`), named) &&
			p.Now().Sub(e.Last) < recent {
			f.At, why = e.First, e.Message[strings.LastIndex(e.Message, "KillContainerError")+len("KillContainerError"):]
			f.Facts = append(f.Facts, e.Fact())
		}
		if len(f.Facts) == 0 {
			return
		}
		f.Message = fmt.Sprintf("the runtime of node %s cannot kill container %s: %s", p.NodeName(), container, said(strings.Trim(why, `": ]\`)))
		f.Fixes = []diagnosis.Fix{{
			Title:   fmt.Sprintf("Look on node %s for a process that cannot be killed, and for the mount it waits for; reboot the node if it stays", p.NodeName()),
			Command: "ps -eo state,pid,wchan:32,cmd | grep ^D",
		}}
		p.Report(f)
	},
}
