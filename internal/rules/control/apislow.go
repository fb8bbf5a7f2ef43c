// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// APISlow recognises that the API server answers slowly.
var APISlow = &diagnosis.Rule{
	ID:    "CTL002",
	Title: "API server answers slowly",
	Doc: `
Requests to the API server take long: kubectl, kubelets and controllers wait, leases are renewed late.

**How it is told from its look-alikes.** By the time of answer of the API server's own indicator (apiserver_request_sli_duration_seconds, which leaves out what webhooks take), in the mean over what came between two looks: below 25 ms is normal, above 200 ms
abnormal. Where too few requests came between them it is the mean since the server began, and the finding is only possible. Before 1.26 there is only apiserver_request_duration_seconds, in which webhooks are contained. Watches and
what lasts by its nature (logs, exec, port-forward) do not count. If etcd is slow as well, it is the reason.

**What to do.** See who asks so much: requests that list everything without a limit, controllers that were just started, an audit or admission webhook. Give it processors and memory; see whether flow control holds back the
right ones.

The metric is written in kubernetes staging/src/k8s.io/apiserver/pkg/endpoints/metrics.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Cluster,
	Needs:    evidence.Control,
	Effect:   diagnosis.ControlPlaneSlow,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow},
	Run: func(p *diagnosis.Pass) {
		f, ok := slow(p, "apiserver-latency", apiMark.abnormal)
		if !ok {
			return
		}
		took, sure := taken(f)
		p.Report(diagnosis.Finding{
			Confidence: sure, Facts: []evidence.Fact{f},
			Message: fmt.Sprintf("the API server %s for a request (%s)", took, apiMark),
			Fixes:   look("See who asks so much of it", "kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels; kubectl get --raw /metrics | grep apiserver_current_inflight_requests"),
		})
	},
}
