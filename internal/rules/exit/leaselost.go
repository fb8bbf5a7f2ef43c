// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// LeaseGone recognises a controller that ends by design because it could not renew its lease.
var LeaseGone = &diagnosis.Rule{
	ID:    "EXT016",
	Title: "Program gave up because it lost its leader election",
	Doc: `
A program that runs as one of several holds a lease in the API server and renews it every few seconds. When it cannot, within
the renew deadline of 10 s by default, it must assume that another one has taken over, and ends itself so that two never act at
once (client-go tools/leaderelection). The restart is by design; what kept it from renewing is the fault.

**How it is told from its look-alikes.** By its last words. Several controllers that lose their leases in the same minute point
to the API server or etcd; one alone points to itself: CPU throttling, a node without CPU, its network.

**What to do.** Look at the latency of the API server and etcd in that minute, then at throttling of the container. Do not only raise the
deadlines.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow, diagnosis.LeaseLost, diagnosis.NetworkFailed, diagnosis.NodeSaturated, diagnosis.Throttled, diagnosis.NodeLost},
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != leaseLost {
			return
		}
		p.Report(e.finding(p, "it could not renew its leader lease in time and ended by design: "+e.said, diagnosis.Fix{
			Title:   "Look at what kept it from renewing: the API server and etcd if other controllers did the same in that minute, else its CPU limit and its network",
			Command: "kubectl get leases -A",
		}))
	},
}
