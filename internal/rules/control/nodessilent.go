// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"strings"
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
Nodes that have nothing in common stop reporting within the same minute: then mostly they are well, and what they report to is not. The node controller cannot know: it marks them NotReady, and if not all of a zone are, it begins to delete their
pods after five minutes.

**How it is told from its look-alikes.** By at least half of all nodes, and two or more, whose condition Ready became Unknown within a minute, or whose leases are all late. One node that is silent is that node's own trouble. A network that parts a whole zone looks
the same: then its nodes share a zone label and others go on.

**What to do.** Look at the API server and at etcd first; then at the network between them and the nodes. Do not restart nodes.

See kubernetes pkg/controller/nodelifecycle (partial and full disruption of a zone). Recorded from Kubernetes 1.37.
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
			Message: fmt.Sprintf("%d of %d nodes fell silent within a minute, so it is the API server, etcd or the network before them and not the nodes", len(silent), len(p.Nodes())),
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

// oneZone tells whether all silent nodes are of one zone while nodes of another go on.
func oneZone(silent, all []*corev1.Node) bool {
	zones := map[string]bool{}
	for _, node := range silent {
		zones[node.Labels[corev1.LabelTopologyZone]] = true
	}
	var names []string
	for zone := range zones {
		names = append(names, zone)
	}
	zone := strings.Join(names, "")
	return len(zones) == 1 && zone != "" && slices.ContainsFunc(all, func(n *corev1.Node) bool { return n.Labels[corev1.LabelTopologyZone] != zone })
}
