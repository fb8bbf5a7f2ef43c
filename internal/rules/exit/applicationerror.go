// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ApplicationError recognises a process that ended by its own doing, with an error.
var ApplicationError = &diagnosis.Rule{
	ID:    "EXT001",
	Title: "Process ended by itself with an error",
	Doc: `
The main process of the container ended with an exit code other than 0, and nobody had ordered it to stop. The reason is in
what it wrote last, and that is none for which another rule knows a remedy.

**How it is told from its look-alikes.** A process that ends in answer to SIGTERM may return any code: a Killing Event of
the kubelet within its life means that it was ordered, and another rule says by whom. 137 and 143 are SIGKILL and SIGTERM
and never the program's own. 126 and 127 are the shell's for a command it could not run, 128 with the reason StartError
is the runtime's. Faults that the kernel ends a process for, Go panics, exceptions, and words that name a missing setting, a
port in use, a permission or a limit have rules of their own. 255 may be any code that a wrapper lost (ssh, exec). Where Events have expired or may not be
read, or the pod was deleted or evicted before the end, an order cannot be ruled out, and the finding is only likely.

**What to do.** Read the error block, which is quoted with its line and time; the first line of it is in the message.
The code and the log are the program's: its documentation says what they mean.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: reasons,
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		a := e.Attempt
		if e.class != erred {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Certain, Facts: []evidence.Fact{a.Fact()},
			Message: fmt.Sprintf("%s ended by itself %s%s", who(a), codeText(a.ExitCode), lived(p, a)),
		}
		if p.Lacks(evidence.Events) != 0 || podEnded(p, a) {
			f.Confidence = diagnosis.Likely
		}
		switch {
		case e.inLog:
			f.Message += ": " + e.block.Headline
			f.Facts = append(f.Facts, blockFacts(a, e.block, 6)...)
		case gist(a.Message) != "":
			f.Message += ": " + gist(a.Message)
		}
		f.Fixes = []diagnosis.Fix{{
			Title:   "Read the whole log of the attempt and mend what its error block names",
			Command: logCommand(a, int(p.Status().RestartCount)),
		}}
		if sig := e.known(); sig != nil {
			f.Message += " (" + sig.Meaning + ")"
			f.Fixes = append([]diagnosis.Fix{{Title: sig.Fix}}, f.Fixes...)
		}
		p.Report(f)
	},
}
