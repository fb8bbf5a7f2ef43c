// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RestartPolicy recognises a restart policy that the API server refuses.
var RestartPolicy = &diagnosis.Rule{
	ID:    "WRK102",
	Title: "Restart policy is not allowed there",
	Doc: `
Containers of a Deployment, StatefulSet, DaemonSet or ReplicaSet are always restarted, and those of a Job never so: the API server refuses any other policy.

**How it is told from its look-alikes.** The policy that is not set is Always, which is right for the former and refused for a Job.

**What to do.** Leave restartPolicy out of a workload, and set OnFailure or Never in a Job.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		owners, policy := p.Owners(), p.PodSpec().RestartPolicy
		if len(owners) == 0 {
			return
		}
		kind, want := owners[0].Kind, "Always"
		if kind == "Job" || kind == "CronJob" {
			want = "OnFailure or Never"
		}
		always := policy == "" || policy == corev1.RestartPolicyAlways
		if always == (want == "Always") {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("a %s has restart policy %s, and only %s is allowed: the API server refuses it", kind, cmp.Or(policy, "Always"), want),
			Facts:      []evidence.Fact{p.CiteSpec("restartPolicy", policy)},
			Fixes:      []diagnosis.Fix{{Title: "Set restartPolicy to " + want}},
		})
	},
}
