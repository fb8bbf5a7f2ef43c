// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Allocatable recognises a kubelet that cannot set up its control groups.
var Allocatable = &diagnosis.Rule{
	ID:    "NOD014",
	Title: "Kubelet cannot enforce what pods may use",
	Doc: `
The kubelet reserves a part of the node for the system and limits all pods together to the rest (node allocatable). It could not set up or update the control groups for that: pods can then take the
whole node, or the kubelet does not start at all.

**How it is told from its look-alikes.** By the Event FailedNodeAllocatableEnforcement or the kubelet's own line about it. Pods that are killed at the limit of /kubepods prove that it is enforced. A cgroup driver that does not
fit the runtime's shows at the sandboxes.

**What to do.** The message names the group. kubeReservedCgroup and systemReservedCgroup must exist; a controller must be enabled; memory in use must be below the limit that is set.

The Event is written in kubernetes pkg/kubelet/cm/node_container_manager_linux.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Events,
	Also:     evidence.Host | evidence.Node | evidence.Spec | evidence.Status,
	Effect:   diagnosis.NodeSaturated,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		var facts []evidence.Fact
		for _, e := range p.NodeEvents("FailedNodeAllocatableEnforcement") {
			facts = append(facts, e.Fact())
		}
		facts = append(facts, troubles(p, "node-allocatable")...)
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain - confidenceLess(facts), Facts: few(facts),
			Message: fmt.Sprintf("the kubelet of %s cannot enforce what all its pods together may use", nodeName(p)),
			Fixes:   look("Correct what the message names: the reserved control groups or the controllers", "journalctl -u kubelet | grep -iE 'allocatable|cgroup' | tail"),
		})
	},
}
