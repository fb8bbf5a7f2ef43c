// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// FalseLabel recognises an end whose reason OOMKilled is wrong.
var FalseLabel = &diagnosis.Rule{
	ID:    "MEM005",
	Title: "Container is marked OOMKilled and was not killed for memory",
	Doc: `
The runtime marks a container OOMKilled when the counter of kills of its cgroup is not zero. The counter only rises: a child that
was killed and survived hours ago colours the end of a container that was drained or asked to stop. Memory had nothing to do
with this end.

**How it is told from its look-alikes.** Where the node's kernel log reaches back before the run and has no kill in it, the label
is false. A kill that it does have is not what ended the container when that came more than a minute later, or a while after an order of the
kubelet. Otherwise the exit code tells: 143 is SIGTERM, honoured, and 0 in answer to an order of the kubelet is an orderly
end; a kill by the kernel is 137. Exit code 0 without an order, or another code, may well follow from a child that was
killed, and other rules speak.

**What to do.** Look at who ordered the container to stop. That a child was killed once may still be worth a look at the limit.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host,
	Effect:   diagnosis.Terminated,
	CausedBy: []diagnosis.Effect{diagnosis.LivenessFailed, diagnosis.StartupFailed, diagnosis.HookFailed, diagnosis.PodDeleted, diagnosis.Evicted, diagnosis.NodeRestarted, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != falseLabel {
			return
		}
		f := diagnosis.Finding{
			At: d.Finished, Confidence: diagnosis.Possible, Facts: []evidence.Fact{d.Fact()},
			Message: fmt.Sprintf("container %s ended with exit code %d and not by a kill for memory: the label OOMKilled comes from a counter that only rises", d.Of.Container, d.ExitCode),
			Fixes:   []diagnosis.Fix{{Title: "Look for who ended it, and take the label for a hint that a child of it was killed once"}},
		}
		if d.ordered {
			f.Confidence = diagnosis.Likely
			f.Facts = append(f.Facts, d.order.Event.Fact())
		}
		if len(d.kills) == 0 && kernelSaw(p, d.Attempt) {
			f.Confidence = diagnosis.Certain
			f.Message += "; the node's kernel log has no kill in this run"
		}
		p.Report(f)
	},
}
