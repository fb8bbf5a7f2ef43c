// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CompletedUnderAlways recognises a program that finishes its work in a pod that is meant to run for ever.
var CompletedUnderAlways = &diagnosis.Rule{
	ID:    "EXT004",
	Title: "Process finishes although the pod is to run for ever",
	Doc: `
The main process ended with exit code 0, by itself, and the container's restart policy is Always: the kubelet starts it
again and again, and each time it finishes the back-off grows. Nothing crashed; the program is one that ends, run by a
workload that is for programs that do not.

**How it is told from its look-alikes.** A program that handles SIGTERM well ends with exit code 0 when a probe failed or
the pod was deleted: then a Killing Event of the kubelet lies within its life. Under OnFailure or Never exit code 0 is a
proper end and no finding at all. Some programs return 0 though they failed: where their last words say that a setting is
missing or the configuration is wrong, the rule about that speaks instead.

**What to do.** A task belongs into a Job or CronJob. A server that ends at once usually went to the background (daemon
mode) or lacks an argument: its main process must stay in the foreground.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status | evidence.Spec,
	Also:   evidence.Events | evidence.Logs | evidence.Signals,
	Effect: diagnosis.ProcessCompleted,
	CausedBy: []diagnosis.Effect{
		diagnosis.ConfigChanged, diagnosis.RolledOut, diagnosis.Evicted, diagnosis.PodDeleted, diagnosis.RestartIntended,
	},
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		a := e.Attempt
		if e.class != finished {
			return
		}
		policy := p.CiteSpec("restartPolicy", p.PodSpec().RestartPolicy)
		policy.About, policy.Where = a.Of.Object(), "spec.restartPolicy"
		if own := specOf(p).RestartPolicy; own != nil {
			policy = p.CiteSpec("restartPolicy", *own)
		}
		if policy.Text != "restartPolicy Always" {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("%s finished with exit code 0%s, and its restart policy Always starts it again", who(a), lived(p, a)),
			Facts:   []evidence.Fact{a.Fact(), policy},
			Fixes: []diagnosis.Fix{
				{Title: "Run it as a Job or CronJob if it is a task that ends"},
				{Title: "Keep the main process in the foreground if it is a server: look for a daemon option or a missing argument"},
			},
		}
		if e.inLog {
			f.Message += "; it said last: " + e.block.Headline
			f.Facts = append(f.Facts, blockFacts(a, e.block, 3)...)
		}
		switch {
		case podEnded(p, a):
			f.Confidence = diagnosis.Likely
		case p.Lacks(evidence.Events) != 0:
			f.Confidence = diagnosis.Possible
		}
		p.Report(f)
	},
}
