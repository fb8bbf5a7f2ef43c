// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RuntimeOrder recognises a container that its runtime was told to stop, by an order that is not recorded.
var RuntimeOrder = &diagnosis.Rule{
	ID:    "EXT026",
	Title: "Runtime stopped the container on an order that is not recorded",
	Doc: `
The container runtime itself sent the signal that ended the process: the node's agent traced it. A runtime does that when it is told
to stop a container, which is the kubelet's business: after a failed probe, for a deletion, an eviction, a changed definition. The
kubelet's Event about it is missing: Events live an hour, its recorder drops them beyond 25 about one pod, and they may not be
readable. Whoever uses crictl or the runtime's own command on the node has the same effect.

**How it is told from its look-alikes.** A signal of a stranger comes from another process, which the trace names. Where the order
is recorded, the rules about it say who gave it. SIGTERM first and SIGKILL after the grace period is how a stop looks; SIGKILL alone is a
stop with no grace, as of a failed start.

**What to do.** Look at what the kubelet did in that second: its log says why it killed the container.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Host,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.Terminated,
	CausedBy: orders,
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if _, ordered := p.Order(); ordered || e.sent.Name != byRuntime || madeUp(e.Attempt) || e.Reason == "OOMKilled" || killedForMemory(p, e.Attempt) {
			return
		}
		p.Report(diagnosis.Finding{
			At: e.Finished, Confidence: diagnosis.Certain, Facts: []evidence.Fact{e.sent, e.Fact()},
			Message: fmt.Sprintf("%s was stopped%s by its container runtime, as on an order of the kubelet: %s", who(e.Attempt), lived(p, e.Attempt), e.sent.Text),
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Look in the kubelet's log on node %s for why it stopped the container in that second", p.NodeName()),
			}},
		})
	},
}
