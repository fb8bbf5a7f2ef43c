// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// GoPanic recognises a Go program that ended by a panic or a fatal error of its runtime.
var GoPanic = &diagnosis.Rule{
	ID:    "EXT002",
	Title: "Go program panicked",
	Doc: `
A goroutine of a Go program panicked and nothing recovered it, or the Go runtime found a fatal error (deadlock, concurrent
map writes, out of memory). The runtime prints the goroutine and ends the process with exit code 2 (Go runtime package,
func dopanic_m).

**How it is told from its look-alikes.** Exit code 2 alone is also a shell's or a flag parser's complaint about wrong
usage, and what a Go program returns that gets SIGTERM as process 1 and does not handle it: then there is no panic in the
log, or there was one that it recovered from; a Killing Event within its life means that it was ordered, and another rule
says by whom. A panic that was recovered (net/http does so for its handlers) prints a trace too, but the process lives on, so a
trace without exit code 2 is not this.

**What to do.** The first frame outside the runtime is the place in the code. The status proves that the process ended with
exit code 2; that a panic brought it about, and what it says, is the log's word, so the finding is likely.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: reasons,
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		a, block := e.Attempt, e.block
		if e.class != panicked {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Likely,
			Message: fmt.Sprintf("%s ended by itself with exit code 2%s: %s", who(a), lived(p, a), block.Headline),
			Facts:   append([]evidence.Fact{a.Fact()}, blockFacts(a, block, 6)...),
			Fixes: []diagnosis.Fix{{
				Title:   "Mend the panic in the code, or go back to the last image that did not have it",
				Command: logCommand(a, int(p.Status().RestartCount)),
			}},
		}
		if block.Location != "" {
			f.Message += ", in " + block.Location
		}
		p.Report(f)
	},
}

func isGoPanic(a evidence.Attempt, b signature.Block) bool {
	return a.ExitCode == 2 && (b.Kind == signature.GoPanic || b.Kind == signature.GoFatal)
}
