// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rejected recognises that the API server turns requests away.
var Rejected = &diagnosis.Rule{
	ID:    "CTL004",
	Title: "API server rejects requests (429)",
	Doc: `
The API server has more to do than it takes on at a time and answers some with 429 Too Many Requests. Priority and fairness decides which: those of a level whose queues are full. Controllers try again; if the level is that of nodes or of
leader election, leases are lost.

**How it is told from its look-alikes.** By the counter of rejected requests (apiserver_flowcontrol_rejected_requests_total) that rises now, with level and reason. Rejections in the past are not told. An eviction that is refused by a PodDisruptionBudget is a
429 of another sort and is not counted there.

**What to do.** The level says who: find the client that floods it, and give it a FlowSchema of its own with a smaller share.

The metric is written in kubernetes staging/src/k8s.io/apiserver/pkg/util/flowcontrol/metrics.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Cluster,
	Needs:    evidence.Control,
	Effect:   diagnosis.ControlPlaneSlow,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow},
	Run: func(p *diagnosis.Pass) {
		for _, f := range measured(p, "apf-rejected") {
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Likely, Facts: []evidence.Fact{f},
				Message: fmt.Sprintf("the API server turns requests away with 429: %s", f.Text),
				Fixes:   look("Find the client that floods that priority level", "kubectl get --raw /debug/api_priority_and_fairness/dump_requests | sort | head -50"),
			})
		}
	},
}
