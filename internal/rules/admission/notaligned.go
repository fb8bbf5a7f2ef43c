// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NotAligned recognises a pod whose CPUs, memory or devices its node cannot give from one place.
var NotAligned = &diagnosis.Rule{
	ID:    "ADM018",
	Title: "The kubelet cannot align the pod's resources",
	Doc: `
The node has a policy for the topology manager (restricted or single-numa-node), or for whole cores, and what the pod asks for
cannot be had in that shape: there is enough in all, but not within one NUMA node. The scheduler does not know of NUMA nodes.

**How it is told from its look-alikes.** The pod has a node, the phase Failed and the reason TopologyAffinityError or
SMTAlignmentError. Plain want of room is OutOfcpu and the like (ADM014), a device that cannot be given UnexpectedAdmissionError (ADM017).

**What to do.** Ask for no more than one NUMA node has, or for whole cores; use nodes with another policy; or a scheduler that knows
the topology. A controller that only tries again sends the next pod to the same node.

The words are written in kubernetes pkg/kubelet/cm/topologymanager/topology_manager.go and pkg/kubelet/cm/cpumanager.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := rejected(p)
		if !slices.Contains([]string{"TopologyAffinityError", "SMTAlignmentError"}, r.reason) {
			return
		}
		message := fmt.Sprintf("the kubelet of %s turned pod %s away: no single NUMA node has what it asks for, and the node's topology policy wants that", where(p), p.About().Name)
		if r.reason == "SMTAlignmentError" {
			message = fmt.Sprintf("the kubelet of %s turned pod %s away: it asks for CPUs that are not whole cores, and the node's CPU policy wants that", where(p), p.About().Name)
		}
		r.report(p, message, nil, diagnosis.Fix{Title: "Ask for less, or in whole cores, or use nodes whose kubelet has another topologyManagerPolicy", Command: "kubectl describe node " + p.NodeName()}, again(p))
	},
}
