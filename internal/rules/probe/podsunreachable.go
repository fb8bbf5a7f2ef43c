// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PodsUnreachable recognises a node whose kubelet cannot reach the pods beside it.
var PodsUnreachable = &diagnosis.Rule{
	ID:    "PRB009",
	Title: "Kubelet of a node cannot reach its pods",
	Doc: `
The probes of at least three workloads on one node fail because there is no way to the pods: no route to the host, or no answer to a
connection. A probe goes from the node to a pod on it, so what is broken is the node's own pod network: the CNI plugin's
bridge, routes or rules, or a firewall on the node.

**How it is told from its look-alikes.** By the words of the dial, "no route to host", "network is unreachable" or "i/o timeout", in the
same two minutes for many workloads of one node, while other nodes are quiet. A refused connection has reached the pod. Answers
that come too late are a node that is slow. A network policy that keeps the node out shows for the pods that it selects, and
only in some network plugins.

**What to do.** Look at the pods of the network plugin on that node, at its routes and its firewall. Exec probes go another way and
still succeed.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Spec | evidence.Status | evidence.Events,
	Also:     evidence.Node,
	Effect:   diagnosis.NetworkFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		if s, ok := stormOn(p, unreachable); ok {
			s.report(p, fmt.Sprintf("%s on node %s find no way to their pods: the pod network of the node is broken", s.count(), p.About().Name), diagnosis.Fix{
				Title:   fmt.Sprintf("Look at the network plugin's pod on node %s, and at the node's routes and firewall", p.About().Name),
				Command: "kubectl get pods -n kube-system -o wide --field-selector spec.nodeName=" + p.About().Name,
			})
		}
	},
}
