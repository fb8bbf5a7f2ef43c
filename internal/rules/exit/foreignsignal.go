// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"slices"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ForeignSignal recognises a container that a signal ended which Kubernetes did not order.
var ForeignSignal = &diagnosis.Rule{
	ID:    "EXT007",
	Title: "Process was ended by a signal that Kubernetes did not order",
	Doc: `
The process was ended by a signal, and neither the kubelet nor the kernel's out-of-memory killer sent it: somebody with access
to the node or to the container did. That is kill from a shell on the node, kubectl exec, a supervisor or another container
that shares the process namespace, security software; or an out-of-memory kill that the runtime did not notice.

**How it is told from its look-alikes.** Where the node's agent traces signals (tracefs, signal:signal_generate), the trace
names the sender: a process of the same pod, of another pod, or of the node with its unit. Then it is certain, whatever the
exit code: a program that handles SIGTERM ends with a code of its own. A signal from the container's own pod after an order
of the kubelet is what a preStop hook sends, and the order is the cause. Without the trace it is told by exclusion, from exit
code 137 or 143: no Killing Event lies within its life, the reason is not OOMKilled, and the pod is neither deleted nor
evicted. So it is only possible: nobody tells the API server who sends a signal, and a program may return 137 or 143 of its
own accord. Where a shell or supervisor says that its child was killed, the signal did not go to process 1, and another
rule speaks. Where the runtime sent it, it was on somebody's order, and another rule says so. Some signals have a sender that the
trace does not prove: a process that was gone at once, a timer, or one that the process sent to itself with the kernel's own code, which
looks as the kernel's does at a limit of processor time. That somebody sent it is likely then, and who is open; a kill for memory in
those seconds accounts for it.

**What to do.** Ask whoever the trace names. Without one, what settles it is the node's kernel log and a trace of signals on the
node; the API server's audit log shows whether somebody used pods/exec or an ephemeral container in that minute.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals | evidence.Host,
	Effect:   diagnosis.Killed,
	CausedBy: append([]diagnosis.Effect{diagnosis.OutOfMemory}, orders...),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		a := e.Attempt
		order, ordered := p.Order()
		hook := e.sent.Name == byPod && ordered && !order.Inferred && !e.sent.At.Before(order.Event.Last)
		if slices.Contains(foreign, e.sent.Name) && !hook && !madeUp(a) {
			p.Report(e.traced(p))
			return
		}
		if ordered || a.Reason == "OOMKilled" || madeUp(a) || e.class == childEnded || e.sent.Name != "" && e.sent.Name != byUnknown {
			return
		}
		if e.sent.Name == byUnknown {
			if f := e.traced(p); !killedForMemory(p, a) {
				f.Confidence = diagnosis.Likely
				p.Report(f)
			}
			return
		}
		name, ok := map[int]string{137: "SIGKILL", 143: "SIGTERM"}[a.ExitCode]
		if _, own := unsignalled(p, a); !ok || own || p.Lacks(evidence.Events) != 0 || p.PodMeta().DeletionTimestamp != nil || p.PodStatus().Reason == "Evicted" {
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

// senders says of each sender that Kubernetes has not told to who it is, and whom to ask.
var senders = map[string]struct{ is, ask string }{
	byPod:       {"a process of its own pod", "Find out why a process of the pod itself ends it: a supervisor, a script, or who used kubectl exec"},
	byNeighbour: {"a process of another pod", "Find out why the other pod ends processes of the node, and take from it the right to"},
	byHost:      {"a process of the node", "Find out who or what on the node did it, by the process and the unit that the trace names"},
	byUnknown:   {"a sender that the trace does not prove", "Find out what it was by what the trace has: a process that was gone, a timer, or the program itself"},
}

// traced says who ended the process, by the word of the kernel.
func (e *end) traced(p *diagnosis.Pass) diagnosis.Finding {
	from := senders[e.sent.Name]
	f := diagnosis.Finding{
		At: e.Finished, Confidence: diagnosis.Certain, Facts: []evidence.Fact{e.sent, e.Fact()}, Fixes: []diagnosis.Fix{{Title: from.ask}},
		Message: fmt.Sprintf("%s was ended%s by %s, which nobody in Kubernetes ordered: %s", who(e.Attempt), lived(p, e.Attempt), from.is, e.sent.Text),
	}
	if l := e.spec.Lifecycle; e.sent.Name == byPod && p.Lacks(evidence.Events) != 0 && l != nil && l.PreStop != nil {
		f.Confidence = diagnosis.Likely // it may be the hook, on an order that is not known
	}
	return f
}
