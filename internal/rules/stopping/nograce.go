// SPDX-License-Identifier: Apache-2.0

package stopping

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoGrace recognises a pod that is killed rather than ended.
var NoGrace = &diagnosis.Rule{
	ID:    "STP102",
	Title: "Pod is given no time to end",
	Doc: `
terminationGracePeriodSeconds of 0 or 1 lets the kubelet kill the program at once, or nearly, whenever the pod is deleted, drained or rolled
out: requests are cut off, and what was not written is lost. For 0 a StatefulSet may run two pods of one name at a time.

**How it is told from its look-alikes.** It is the pod's own period. That of a liveness probe may well be short, as it ends what hangs. The
default is 30 seconds.

**What to do.** Leave it out, or set what the program needs to finish its requests.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Spec,
	Effect: diagnosis.Killed,
	Run: func(p *diagnosis.Pass) {
		grace := p.PodSpec().TerminationGracePeriodSeconds
		if grace == nil || *grace > 1 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("the pod has %ds to end: its programs are killed in the middle of their work at every rollout and drain", *grace),
			Facts:      []evidence.Fact{p.CiteSpec("terminationGracePeriodSeconds", *grace)},
			Fixes: []diagnosis.Fix{{
				Title: "Give the pod the default of 30 seconds to end", Risk: diagnosis.Restart,
				Patch: p.PatchPodSpec(map[string]any{"terminationGracePeriodSeconds": 30}),
			}},
		})
	},
}
