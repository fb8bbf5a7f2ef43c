// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodesSilent recognises that many nodes fell silent at once.
var NodesSilent = &diagnosis.Rule{
	ID:    "CTL009",
	Title: "Many nodes fell silent at once",
	Doc: `
Nodes that have nothing in common stop reporting within the same minute: then mostly they are well, and what they report to is not. The node controller cannot know: it marks them NotReady, and begins to delete their pods after five minutes. It
does so slowly where more than 55 % of a zone are gone, in zones of up to 50 nodes not at all, and stops where every zone is gone altogether.

**How it is told from its look-alikes.** By at least half of all nodes, and two or more, whose condition Ready became Unknown within a minute, or whose leases are all late. One node that is silent is that node's own trouble. A network that parts a whole zone looks
the same: then its nodes share a zone label and others go on.

**What to do.** Look at the API server and at etcd first; then at the network between them and the nodes. Do not restart nodes.

See kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go (ComputeZoneState, setLimiterInZone). Recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Cluster,
	Needs:    evidence.Node,
	Effect:   diagnosis.ControlPlaneSlow,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow},
	Run: func(p *diagnosis.Pass) {
		if leases := nodeLeases(p); len(leases) > 1 && writesStall(p) {
			var facts []evidence.Fact
			for _, l := range leases {
				facts = append(facts, citeLease(l))
			}
			slices.SortFunc(facts, func(a, b evidence.Fact) int { return b.At.Compare(a.At) })
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Likely, Facts: facts[:min(len(facts), 4)],
				Message: fmt.Sprintf("none of %d nodes has renewed its lease for %s: API server or etcd takes no writes", len(leases), p.Now().Sub(facts[0].At).Round(time.Second)),
				Fixes:   firstLook(),
			})
			return
		}
		var silent []*corev1.Node
		var facts []evidence.Fact
		for _, node := range p.Nodes() {
			for _, c := range node.Status.Conditions {
				if c.Type == corev1.NodeReady && c.Status == corev1.ConditionUnknown {
					silent = append(silent, node)
					facts = append(facts, evidence.Fact{
						Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(node), At: c.LastTransitionTime.Time,
						Where: "status.conditions[Ready]", Text: "status Unknown, reason " + c.Reason,
					})
				}
			}
		}
		if len(silent) < 2 || 2*len(silent) < len(p.Nodes()) || apart(facts) > time.Minute || oneZone(silent, p.Nodes()) {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: facts[:min(len(facts), 4)],
			Message: fmt.Sprintf("%d of %d nodes fell silent within a minute, so it is not each of them but what they share: the API server, etcd, a network or a machine below them", len(silent), len(p.Nodes())),
			Fixes:   firstLook(),
		})
	},
}

func firstLook() []diagnosis.Fix {
	return look("Look at the API server and etcd first, and restart no node", "kubectl get --raw '/readyz?verbose'; kubectl get leases -n kube-node-lease")
}

// apart is the time between the first and the last of the facts.
func apart(facts []evidence.Fact) time.Duration {
	first := slices.MinFunc(facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	last := slices.MaxFunc(facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	return last.At.Sub(first.At)
}

// oneZone tells whether all silent nodes are of one zone while there are nodes of another.
func oneZone(silent, all []*corev1.Node) bool {
	zone := silent[0].Labels[corev1.LabelTopologyZone]
	elsewhere := func(n *corev1.Node) bool { return n.Labels[corev1.LabelTopologyZone] != zone }
	return !slices.ContainsFunc(silent, elsewhere) && slices.ContainsFunc(all, elsewhere)
}
