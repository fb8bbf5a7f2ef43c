// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// ApplicationError recognises a process that ended by its own doing, with an error.
var ApplicationError = &diagnosis.Rule{
	ID:    "EXT001",
	Title: "Process ended by itself with an error",
	Doc: `
The main process of the container ended with an exit code other than 0, or by a signal that the kernel sends for a
fault of its own (SIGSEGV, SIGABRT, SIGBUS …), and nobody had ordered it to stop. The reason is in what it wrote last.

**How it is told from its look-alikes.** A process that ends in answer to SIGTERM may return any code: a Killing Event of
the kubelet within its life means that it was ordered, and another rule says by whom. 137 and 143 are SIGKILL and SIGTERM
and never the program's own. 126 and 127 are the shell's for a command it could not run, 128 with the reason StartError
is the runtime's. Exit code 2 with a Go panic in the log has a rule of its own. Where Events have expired or may not be
read, or the pod was deleted or evicted before the end, an order cannot be ruled out, and the finding is only likely.

**What to do.** Read the error block, which is quoted with its line and time; the first line of it is in the message.
The code and the log are the program's: its documentation says what they mean.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status,
	Also:   evidence.Events | evidence.Logs,
	Effect: diagnosis.ProcessFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.DependencyDown, diagnosis.NameUnresolved, diagnosis.ConfigChanged, diagnosis.RolledOut,
		diagnosis.StorageFull, diagnosis.VolumeFailed, diagnosis.LeaseLost, diagnosis.OutOfMemory, diagnosis.Evicted, diagnosis.PodDeleted,
		diagnosis.DeadlinePassed, diagnosis.RestartIntended,
	},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		block, found := signature.Find(p.Log().Text)
		if _, ordered := p.Order(); ordered || !byItself(a) || isGoPanic(a, block) || notRun(a, block, found) {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Certain, Facts: []evidence.Fact{a.Fact()},
			Message: fmt.Sprintf("%s ended by itself %s%s", who(a), codeText(a.ExitCode), lived(a)),
		}
		if p.Lacks(evidence.Events) != 0 || podEnded(p, a) {
			f.Confidence = diagnosis.Likely
		}
		switch {
		case found:
			f.Message += ": " + block.Headline
			f.Facts = append(f.Facts, blockFacts(a, block, 6)...)
		case gist(a.Message) != "":
			f.Message += ": " + gist(a.Message)
		}
		f.Fixes = []diagnosis.Fix{{
			Title:   "Read the whole log of the attempt and mend what its error block names",
			Command: logCommand(a, int(p.Status().RestartCount)),
		}}
		p.Report(f)
	},
}
