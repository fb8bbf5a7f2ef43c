// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoNode recognises a pod in a cluster that has no node.
var NoNode = &diagnosis.Rule{
	ID:    "SCH016",
	Title: "The cluster has no node",
	Doc: `
The scheduler found no node at all, not even one that does not fit. The node groups are scaled to none, the machines could not
join the cluster, or all Node objects were deleted.

**How it is told from its look-alikes.** The scheduler says "no nodes available to schedule pods" or "0/0 nodes are available".
Nodes that exist and do not fit are counted in its verdict, also when they are not ready: those have a taint (SCH002).

**What to do.** Look at the node groups of the provider, and at the kubelets' logs on the machines that should have joined.

The words are written in kubernetes pkg/scheduler/scheduler.go, ErrNoNodesAvailable.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != noNode || len(p.Nodes()) > 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: v.sure, Facts: v.facts, Message: fmt.Sprintf("pod %s waits because the cluster has no node", p.About().Name),
			Fixes: []diagnosis.Fix{{Title: "Add a node, or look why the machines have not joined", Command: "kubectl get nodes"}},
		})
	},
}
