// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Sigterm recognises a container that ended because the kubelet told it to.
var Sigterm = &diagnosis.Rule{
	ID:    "EXT006",
	Title: "Process ended on SIGTERM",
	Doc: `
The kubelet ordered the container to stop, and the process ended within its grace period. The exit code says only how
the program takes SIGTERM: 143 when it does not handle it, 0 when it ends in order, 2 for a Go program as process 1, or
any code of its own. 255 is also what a runtime makes up that lost the process, so that with it the finding is likely. It is never the cause: who gave the order is, and another finding says so.

**How it is told from its look-alikes.** A Killing Event of the kubelet lies within the life of the attempt. Without one,
exit code 143 means that somebody else sent SIGTERM, and any other code that the process ended by itself. The kubelet's
recorder drops Events beyond 25 about one pod, so in a long crash loop the order itself is often not recorded: where
earlier orders or failing probes of the same life are, or where the pod was evicted or deleted before the end, the
finding is likely instead of certain.

**What to do.** Nothing here: remedy the cause.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Signals,
	Effect:   diagnosis.Terminated,
	CausedBy: orders,
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		order, ordered := p.Order()
		if !ordered && a.ExitCode == 143 {
			withPod(p, a)
		}
		if !ordered || a.ExitCode == 137 || madeUp(a) || byStranger(p, a) {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Certain, Facts: []evidence.Fact{a.Fact(), order.Event.Fact()},
			Message: fmt.Sprintf("%s ended on SIGTERM with exit code %d, %s after the order",
				who(a), a.ExitCode, order.Waited(a).Round(time.Second)),
		}
		if a.ExitCode == 255 {
			f.Confidence = diagnosis.Likely
		}
		if order.Inferred {
			f.Confidence = diagnosis.Likely
			f.Message = fmt.Sprintf("%s ended with exit code %d, as it does on SIGTERM; the order of this attempt was not recorded", who(a), a.ExitCode)
		}
		cite(&f, p, a)
		p.Report(f)
	},
}
