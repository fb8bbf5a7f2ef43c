// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// OwnAccord recognises an exit code that looks like a signal's and is the process' own.
var OwnAccord = &diagnosis.Rule{
	ID:    "EXT025",
	Title: "Process returned the exit code of a signal, and none was sent",
	Doc: `
The exit code is 137 or 143, which is what a process ended by SIGKILL or SIGTERM has, but no such signal reached process 1: the
node's agent traced them all its life. So process 1 returned the code itself. Shells do, for the last command that they ran: what
was killed is a child of it, and the shell passed on how the child ended (128 and the number of the signal).

**How it is told from its look-alikes.** Without the trace it cannot be told from a kill by a stranger, and that rule speaks. Where
a kill for memory of a child is recorded, that one is the cause. Where the agent began within the life of the container, or missed
records meanwhile, nothing follows from there being none.

**What to do.** Find the child that ended: in the log of the container, and among the kernel's kills for memory. Start the
program with exec, so that it is process 1 and its end is the container's.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Host,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: append([]diagnosis.Effect{diagnosis.OutOfMemory}, reasons...),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		since, own := unsignalled(p, e.Attempt)
		if e.ExitCode != 137 && e.ExitCode != 143 || !own || madeUp(e.Attempt) || e.class == childEnded || killedForMemory(p, e.Attempt) {
			return
		}
		p.Report(diagnosis.Finding{
			At: e.Finished, Confidence: diagnosis.Certain, Facts: []evidence.Fact{e.Fact(), since},
			Message: fmt.Sprintf("%s returned exit code %d%s, and no signal was sent to it: the code is its own, as of a shell that passes on how a child ended", who(e.Attempt), e.ExitCode, lived(p, e.Attempt)),
			Fixes:   []diagnosis.Fix{e.readLog(p, "Find the child that ended, and start the program with exec so that it is process 1")},
		})
	},
}
