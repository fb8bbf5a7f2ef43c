// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
)

// Hung recognises a process that fell silent before its liveness probe found out.
var Hung = &diagnosis.Rule{
	ID:    "EXT023",
	Title: "Process hung before its liveness probe failed",
	Doc: `
The process stopped doing anything, a deadlock or an endless wait, some time before its liveness probe got no answer and the
kubelet ended it. The probe is right, and the fault is in the process.

**How it is told from its look-alikes.** The probe failed because no answer came in time, and not because an answer was bad or
nothing listened. The log had flowed until a moment clearly before the first failure, at least five times as long as it
had ever paused on average, and then no line came. A process that is only slow goes on logging; one that is throttled or paged
does too, more slowly. A program that logs little proves nothing by its silence, and then this rule is silent as well.

**What to do.** Get the stacks of all threads the next time before it is killed (SIGQUIT for Go and Java, py-spy for Python), and
look for locks that wait for each other and for calls without a time-out.
`,
	Stage:    diagnosis.Experimental,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Logs,
	Effect:   diagnosis.Hung,
	CausedBy: []diagnosis.Effect{diagnosis.DependencyDown, diagnosis.NetworkFailed, diagnosis.VolumeFailed, diagnosis.NodeSaturated, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		order, ordered := p.Order()
		if !ordered || order.By != evidence.ByLiveness {
			return
		}
		for _, e := range p.Events("Unhealthy") {
			first := e.First
			if first.Before(a.Started) {
				first = e.Last
			}
			if !timedOut(e.Message) || first.Before(a.Started) || first.After(a.Finished) {
				continue
			}
			last, at, pause := silence(p.Log().Text, first)
			if at.IsZero() {
				continue
			}
			p.Report(diagnosis.Finding{
				At: at, Confidence: diagnosis.Possible,
				Message: fmt.Sprintf("%s had logged a line every %s, and fell silent %s before its liveness probe got no answer: it hung",
					who(a), pause.Round(time.Millisecond), first.Sub(at).Round(time.Second)),
				Facts: []evidence.Fact{a.LineFact(last, at), e.Fact()},
				Fixes: []diagnosis.Fix{{Title: "Have it print the stacks of its threads when it hangs (SIGQUIT for Go and Java), and look for locks and for calls without a time-out"}},
			})
			return
		}
	},
}

// silence returns the last line of a log before a time, its own time, and how long a pause between two lines had been on
// average until then; nothing where there were few lines, or where that long a pause is nothing new.
func silence(log string, before time.Time) (last string, at time.Time, pause time.Duration) {
	var begin time.Time
	n := 0
	for line := range strings.SplitSeq(log, "\n") {
		t, text := signature.Parse(line)
		if t.IsZero() || t.After(before) {
			continue
		}
		begin = cmp.Or(begin, t)
		last, at = text, t
		n++
	}
	pause = at.Sub(begin) / time.Duration(max(n-1, 1))
	if quiet := before.Sub(at); n < fewLines || quiet < shortestSilence || quiet < 5*pause {
		return "", time.Time{}, 0
	}
	return last, at, pause
}

// How many lines a log must have for its silence to mean something, and how long that must last.
const (
	fewLines        = 10
	shortestSilence = 10 * time.Second
)

// timedOut tells whether a probe failed because no answer came (Go net/http and the kubelet's exec probe).
func timedOut(message string) bool { return noAnswer.MatchString(message) }

var noAnswer = regex.New(`Client\.Timeout|deadline exceeded|timed out|timeout`)
