// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// WrongArguments recognises a program that ends because its command line is not one that it understands.
var WrongArguments = &diagnosis.Rule{
	ID:    "EXT020",
	Title: "Program does not know its arguments",
	Doc: `
The program started, looked at its command line, said what it does not know there, and ended; exit code 2 by custom, 1 or 64 with some.

**How it is told from its look-alikes.** By the words of the flag parsers of the usual languages, or a line "usage: …" with exit code 2.
Exit code 2 is also that of a Go panic and of a Go program that gets SIGTERM, which have rules of their own. A
command that cannot be found or run is another rule's, and so is a file of configuration.

**What to do.** Compare command and args with the documentation of exactly this version: options are renamed and removed between
versions. args replace the image's CMD, command replaces its ENTRYPOINT, and one string with spaces is one argument.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != argumentsWrong {
			return
		}
		f := e.finding(p, "it does not understand its command line: "+e.said, diagnosis.Fix{Title: "Correct command or args for this version of the program"})
		c := specOf(p)
		if len(c.Command) > 0 {
			f.Facts = append(f.Facts, p.CiteSpec("command", strings.Join(c.Command, " ")))
		}
		if len(c.Args) > 0 {
			f.Facts = append(f.Facts, p.CiteSpec("args", strings.Join(c.Args, " ")))
		}
		p.Report(f)
	},
}
