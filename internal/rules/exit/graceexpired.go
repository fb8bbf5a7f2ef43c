// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// GraceExpired recognises a container that did not end when it was told to, and was killed.
var GraceExpired = &diagnosis.Rule{
	ID:    "EXT005",
	Title: "Process was killed after its grace period",
	Doc: `
The kubelet ordered the container to stop: SIGTERM first, and when the grace period had passed, SIGKILL. Exit code 137
here is not memory: the process did not handle SIGTERM, or needed longer than it was given. What made the kubelet order it
is the cause; this finding only says how the end came.

**How it is told from its look-alikes.** The kubelet's Killing Event carries the time of the order, and the status the time
of the end: what lies between is the grace period (terminationGracePeriodSeconds of the probe, else of the pod, 30 s by
default). Where the order was not recorded, and the pod was evicted or deleted before the end, it was the pod's end, and the
finding is likely. A kill by the kernel has the reason OOMKilled, or is in
the node's log; with the label alone, which counts earlier kills as well, the finding is likely once the grace period is over. A SIGKILL without any order of the kubelet came from elsewhere.

**What to do.** Remedy the cause. That the process ignores SIGTERM costs a grace period at every restart and deletion and
loses requests: handle SIGTERM, start the program with exec so that it and not a shell is process 1, or add an init.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Host | evidence.Signals,
	Effect:   diagnosis.Killed,
	CausedBy: orders,
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		order, ordered := p.Order()
		if !ordered && a.ExitCode == 137 && a.Reason != "OOMKilled" {
			withPod(p, a)
		}
		if !ordered || a.ExitCode != 137 || a.Reason == "OOMKilled" && !order.GraceExpired(a) || madeUp(a) || killedFirst(p, a) || byStranger(p, a) {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Likely, Facts: []evidence.Fact{a.Fact(), order.Event.Fact()},
			Message: fmt.Sprintf("%s was ended by SIGKILL, exit code 137, after the kubelet's order to stop", who(a)),
			Fixes:   []diagnosis.Fix{{Title: fmt.Sprintf("Let %s end on SIGTERM: handle the signal, and start the program with exec so that it is process 1", a.Of.Container)}},
		}
		if order.GraceExpired(a) {
			f.Confidence = diagnosis.Certain
			f.Message = fmt.Sprintf("%s did not end within the grace period of %s and was ended by SIGKILL, exit code 137, %s after the order",
				who(a), order.Grace, order.Waited(a).Round(time.Second))
		}
		cite(&f, p, a)
		if a.Reason == "OOMKilled" { // the counter behind the label also counts children that were killed before
			f.Confidence = diagnosis.Likely
		}
		p.Report(f)
	},
}

// killedFirst tells whether the kernel says that it killed a process of the container for memory in the seconds of the end:
// it says so only of a process that nobody has killed before (task_will_free_mem in mm/oom_kill.c, oom_kill_process).
func killedFirst(p *diagnosis.Pass, a evidence.Attempt) bool {
	return slices.ContainsFunc(p.Facts(evidence.Host, "oom-kill"), func(f evidence.Fact) bool {
		return (f.About == a.Of || f.About == a.Of.InAttempt(evidence.NoAttempt)) && f.At.Sub(a.Finished).Abs() <= 3*time.Second
	})
}
