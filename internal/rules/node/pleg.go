// SPDX-License-Identifier: Apache-2.0

package node

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PLEG recognises a kubelet that does not get its list of containers in time.
var PLEG = &diagnosis.Rule{
	ID:    "NOD003",
	Title: "Kubelet does not hear of its containers in time",
	Doc: `
The kubelet asks the runtime for the list of all containers once a second and says that its pod lifecycle event generator (PLEG) is not healthy when no
list was complete for three minutes. It then starts and stops nothing, and reports that it is not ready.

**How it is told from its look-alikes.** By "PLEG is not healthy" in the condition Ready or in the kubelet's log. A runtime that is gone is refused at once and reported as "container runtime is
down"; one that hangs the node's agent finds, and that is told of instead (NOD004); here it answers, and too slowly. Slow usually means very many containers, also dead ones, a disk that is saturated, or one container whose state the runtime
waits for without end.

**What to do.** See how long crictl ps -a takes and which container it hangs on; look at the disk; restart the runtime, which leaves containers running.

The words are in kubernetes pkg/kubelet/pleg/generic.go and pkg/kubelet/runtime.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Also:     evidence.Host | evidence.Spec | evidence.Status,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.DeviceFailed, diagnosis.NodeSaturated, diagnosis.NodePressure},
	Run: func(p *diagnosis.Pass) {
		facts := append(says(p, plegWords), troubles(p, "pleg-unhealthy")...)
		if len(facts) == 0 || len(says(p, runtimeGone...)) > 0 || len(deaf(p)) > 0 {
			return
		}
		facts = append(facts, stuck(p)...)
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: "the kubelet of " + nodeName(p) + " does not get the list of its containers from the runtime in time (PLEG is not healthy)",
			Fixes:   look("See how long the runtime takes to list its containers, and restart it if it hangs", "time crictl ps -a | wc -l; systemctl restart containerd"),
		})
	},
}

// plegWords are how the kubelet says so.
const plegWords = "PLEG is not healthy"
