// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Cordoned recognises a pod that is kept off the nodes it could use because somebody cordoned them.
var Cordoned = &diagnosis.Rule{
	ID:    "SCH007",
	Title: "The nodes that the pod could use are cordoned",
	Doc: `
Somebody, or a program that maintains nodes, has marked nodes as unschedulable: kubectl cordon, kubectl drain, a node upgrade
that did not come to its end, an autoscaler that is about to remove the node. Pods that are there go on; new ones go
elsewhere, and here there is no elsewhere.

**How it is told from its look-alikes.** The scheduler says "were unschedulable", in place of a taint. Where the other nodes
lack room (SCH001) they would do but for that; where they have a taint (SCH002) or do not match the selector (SCH003) the
greater number decides. A node that is not ready has a taint and no cordon, unless it was cordoned as well.

**What to do.** Uncordon the node when its maintenance is over; look who cordoned it before, in the audit log or in the
node's managedFields. Otherwise add a node.

The words are written in kubernetes pkg/scheduler/framework/plugins/nodeunschedulable; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != cordon {
			return
		}
		var closed obstacle
		var facts []evidence.Fact
		for _, n := range p.Nodes() {
			if !n.Spec.Unschedulable || !matches(p.PodSpec(), n) {
				continue
			}
			closed.nodes = append(closed.nodes, n.Name)
			facts = append(facts, evidence.Fact{
				Kind: evidence.Node, Source: evidence.FromSpec, About: evidence.RefOf(n), Where: "spec.unschedulable", Text: "unschedulable true",
			})
		}
		for _, r := range v.of(cordon) {
			closed.count += r.nodes
		}
		who := strings.TrimPrefix(closed.who(), "node ")
		message := fmt.Sprintf("pod %s waits because the nodes that it could use are cordoned: %s", p.About().Name, who)
		v.report(p, cordon, message, facts[:min(len(facts), mostTaints)], diagnosis.Fix{
			Title: "Uncordon " + closed.who() + ", if the maintenance is over", Command: uncordon(closed.nodes),
		})
	},
}

// uncordon is the command for the first few of the nodes, or to find them.
func uncordon(nodes []string) string {
	if len(nodes) == 0 {
		return "kubectl get nodes"
	}
	return "kubectl uncordon " + strings.Join(nodes[:min(len(nodes), mostTaints)], " ")
}
