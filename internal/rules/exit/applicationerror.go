// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
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
read, or the pod was deleted or evicted before the end, an order cannot be ruled out, and the finding is only likely. So it is where nobody traced
signals, and either the program says at its end that it got one, or it said nothing of an error and returned 2, as a Go program that is process 1 does on SIGTERM.

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
		e.doubt(p, &f)
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

// doubt says in a finding that a signal may have ended the program, where nobody would know: nothing traced them, and it says so itself, or
// has no word of an error and the code of a Go program that leaves SIGTERM to its runtime, which cannot end process 1 by it and exits with 2.
func (e *end) doubt(p *diagnosis.Pass, f *diagnosis.Finding) {
	if _, own := unsignalled(p, e.Attempt); own {
		return
	}
	line, at := e.signalled(p)
	switch {
	case line != "":
		f.Confidence, f.Against = diagnosis.Likely, append(f.Against, e.LineFact(line, at))
		f.Message += "; it said that it got a signal, of which nobody knows who sent it"
	case e.ExitCode == 2 && !e.inLog && gist(e.Message) == "":
		f.Confidence = diagnosis.Likely
		f.Message += "; a Go program returns that on SIGTERM as well, which nobody traced"
	}
}

// signalled returns what the program said last of a signal that asks it to end, and when.
func (e *end) signalled(p *diagnosis.Pass) (line string, at time.Time) {
	lines := strings.Split(strings.TrimRight(p.Log().Text, "\r\n"), "\n")
	for _, l := range slices.Backward(lines[max(0, len(lines)-lastLines):]) {
		at, said := signature.Parse(l)
		if late := !at.IsZero() && e.Finished.Sub(at) > time.Minute; !late && askedToEnd.MatchString(said) {
			return said, at
		}
	}
	return "", time.Time{}
}

// lastLines is within how many lines before its end a program says that it got a signal.
const lastLines = 20

var askedToEnd = regex.New(`(?i)\b(?:received|caught|got|trapped)\b.{0,20}\b(?:sigterm|sigint|sighup|terminated|interrupt)\b|\b(?:sigterm|sigint|sighup)\b.{0,24}\b(?:received|caught)\b|\bsignal:? (?:15|sigterm|terminated|interrupt)\b`)
