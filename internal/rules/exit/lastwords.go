// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// LastWords recognises an error at the end of a log where nothing tells how the container ended.
var LastWords = &diagnosis.Rule{
	ID:    "EXT024",
	Title: "Log ends in an error, and how the container ended is not known",
	Doc: `
There is the log of a container, and no status that tells how it ended: only the log was given, or a table in which the pod
waits in CrashLoopBackOff. The error that the log ends in is what its process said last.

**How it is told from its look-alikes.** Whoever can print can write an error, and a process may be killed from outside right
after one: a log says why a process gave up and never who ended it. So this is only possible; it is likely where a table says
that the container is started again and again. Of a container that runs nothing is said, nor of one whose end is known:
other rules have its exit code and speak of it.

**What to do.** Add what kubectl describe pod or kubectl get pod -o yaml prints: the exit code and the Events tell an error of the
process from a kill.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Logs,
	Also:     evidence.Status,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: reasons,
	Run: func(p *diagnosis.Pass) {
		st := p.Status()
		loops := st != nil && st.State.Waiting != nil && st.State.Waiting.Reason == "CrashLoopBackOff" && st.LastTerminationState.Terminated == nil
		block, found := signature.Find(p.Log().Text)
		if !found || st != nil && !loops || len(p.AttemptsOf(p.About())) > 0 { // the last, of what only the runtime tells
			return
		}
		of := p.Log().Of
		f := diagnosis.Finding{
			At: block.At, Confidence: diagnosis.Possible, Facts: blockFacts(evidence.Attempt{Of: of}, block, 6),
			Message: fmt.Sprintf("the log of container %s ends in an error: %s", of.Container, block.Headline),
		}
		if f.At.IsZero() {
			f.At = p.Now()
		}
		if loops {
			f.Confidence = diagnosis.Likely
			f.Message = fmt.Sprintf("pod %s is started again and again, and its log ends in an error: %s", of.Name, block.Headline)
			f.Facts = append([]evidence.Fact{{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.containerStatuses[" + of.Container + "].state.waiting.reason", Text: "CrashLoopBackOff",
			}}, f.Facts...)
		}
		e := end{block: block, inLog: true}
		if sig := e.known(); sig != nil {
			f.Message += " (" + sig.Meaning + ")"
			f.Fixes = append(f.Fixes, diagnosis.Fix{Title: sig.Fix})
		}
		add := diagnosis.Fix{Title: "Add how the container ended, as kubectl describe pod tells it: that tells an error of its own from a kill"}
		if loops {
			add.Command = fmt.Sprintf("kubectl -n %s describe pod %s", of.Namespace, of.Name)
		}
		f.Fixes = append(f.Fixes, add)
		p.Report(f)
	},
}
