// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// Exception recognises a program of a language with exceptions that ended by one.
var Exception = &diagnosis.Rule{
	ID:    "EXT015",
	Title: "Program ended by an exception that nothing caught",
	Doc: `
An exception went through to the top of the program, its runtime printed it with a stack trace, and ended the process: Python,
Node.js, Ruby and Java with exit code 1, .NET by an abort (134), Rust with 101, PHP with 255.

**How it is told from its look-alikes.** By the form of the trace, which each runtime prints in its own way, at the end of the log
of a process that ended by itself. A trace that a program logged and lived on is not this, nor are the traces that come after
SIGTERM. Where the exception says that a setting is missing, a port is taken, a file may not be read or a service does not
answer, the rule about that speaks instead. Of chained exceptions the message shows the last cause.

**What to do.** The first frame outside of libraries is the place in the code. If the image changed just before, go back to the last
one that ran.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: reasons,
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != threw {
			return
		}
		language := exceptions[e.block.Kind]
		why := fmt.Sprintf("a %s exception that nothing caught: %s", language, e.block.Headline)
		if e.block.Location != "" {
			why += ", in " + e.block.Location
		}
		p.Report(e.finding(p, why, e.readLog(p, "Mend the code that the trace points to, or go back to the last image that did not have it")))
	},
}

// exceptions are the kinds of blocks that a language's runtime writes about an exception that nothing caught, with the
// language's name.
var exceptions = map[signature.Kind]string{
	signature.PythonTraceback: "Python", signature.JavaException: "Java", signature.NodeError: "Node.js", signature.DotNet: ".NET",
	signature.Ruby: "Ruby", signature.Rust: "Rust", signature.PHP: "PHP",
}
