// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ForeignSignal recognises a container that a signal ended which Kubernetes did not order.
var ForeignSignal = &diagnosis.Rule{
	ID:    "EXT007",
	Title: "Process was ended by a signal that Kubernetes did not order",
	Doc: `
The process ended by SIGKILL (exit code 137) or SIGTERM (143), and neither the kubelet nor the kernel's out-of-memory
killer accounts for it: no Killing Event lies within its life, the reason is not OOMKilled, and the pod is neither deleted
nor evicted. What remains is somebody with access to the node or to the container: kill from a shell on the node, kubectl
exec, a supervisor inside the container, security software; or an out-of-memory kill that the runtime did not notice.

**How it is told from its look-alikes.** Only by exclusion, so it is never more than possible: nobody tells the API server
who sends a signal. A program may also return 137 or 143 of its own accord. Where a shell or supervisor says that its child was killed, the
signal did not go to process 1, and another rule speaks.

**What to do.** What settles it is the node's kernel log and a trace of signals on the node; the API server's audit log
shows whether somebody used pods/exec or an ephemeral container in that minute.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.Killed,
	CausedBy: append([]diagnosis.Effect{diagnosis.OutOfMemory}, orders...),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		a := e.Attempt
		if _, ordered := p.Order(); ordered || a.Reason == "OOMKilled" || unseen(a) || unrunnable(a) || e.class == childEnded {
			return
		}
		name, ok := map[int]string{137: "SIGKILL", 143: "SIGTERM"}[a.ExitCode]
		if !ok || p.PodMeta().DeletionTimestamp != nil || p.PodStatus().Reason == "Evicted" {
			return
		}
		p.Report(diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Possible, Facts: []evidence.Fact{a.Fact()},
			Message: fmt.Sprintf("%s was ended by %s%s, and no order of the kubelet and no kill for memory is recorded: it came from the node or from inside the container, if the records are whole",
				who(a), name, lived(p, a)),
			Fixes: []diagnosis.Fix{{
				Title:   "Look at the node's kernel log of that minute for an out-of-memory kill, and at the audit log for exec into the pod",
				Command: fmt.Sprintf("kubectl debug node/%s -it --image=busybox -- dmesg -T", p.NodeName()),
			}},
		})
	},
}
