// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodeStorm recognises a node on which the probes of many workloads time out together.
var NodeStorm = &diagnosis.Rule{
	ID:    "PRB008",
	Title: "Probes of many workloads on one node time out together",
	Doc: `
Containers of at least three different workloads on one node did not answer their probes within two minutes of each other. They have
the node in common and nothing else: it is short of CPU, memory or disk, its kubelet or its runtime stalls, and the probes are
late with everything else. Raising the limits of one of the workloads does not help.

**How it is told from its look-alikes.** The probes fail by time-outs, and pods of as many workloads on other nodes do not: then it would
be what they all talk to. One workload with many pods on a node is that workload's own trouble. Connections that are refused, or no way to the pods at all, are another matter.

**What to do.** Look at the node: its load, its pressure, what else has begun to run there at that time.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Spec | evidence.Status | evidence.Events,
	Also:     evidence.Node,
	Effect:   diagnosis.NodeSaturated,
	CausedBy: []diagnosis.Effect{diagnosis.NodeSaturated, diagnosis.NodePressure, diagnosis.NodeBusy, diagnosis.KernelFailed, diagnosis.DeviceFailed, diagnosis.RuntimeFailed},
	Run: func(p *diagnosis.Pass) {
		if s, ok := stormOn(p, timedOut); ok {
			s.report(p, fmt.Sprintf("%s on node %s timed out together: the node itself is slow, not the programs", s.count(), p.About().Name), diagnosis.Fix{
				Title:   fmt.Sprintf("Look at the load of node %s, and at what began to run there at that time", p.About().Name),
				Command: fmt.Sprintf("kubectl describe node %s; kubectl top pod -A --sort-by=cpu", p.About().Name),
			})
		}
	},
}
