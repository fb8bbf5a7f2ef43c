// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// decides returns what has to change for the pod to find a node. A node that failed a late test has passed those before:
// so of the late tests the one that most nodes failed decides, and at equal numbers the earlier one. Cordons, taints and
// the pod's own selector come first and say nothing about the rest: they decide where no node got further. Between them
// the labels of the nodes decide, if they are known: where no node matches, tolerating a taint would not help.
func (v verdict) decides(p *diagnosis.Pass) kind {
	n := map[kind]int{}
	for _, r := range v.reasons {
		n[r.kind] = max(n[r.kind], r.nodes, 1)
		if ofControlPlane(r.text) {
			n[taint] -= max(r.nodes, 1)
		}
	}
	if most, nodes := mostOf(n, port, device, room, podCount, volumeUsed, volumeCount, claim, volumePlace, spread, apart, together, other, noNode); nodes > 0 {
		return most
	}
	early, nodes := mostOf(n, cordon, taint, selector)
	switch {
	case nodes == 0:
		return taint // those of the control plane alone
	case n[selector] == 0 || len(p.Nodes()) == 0:
		return early
	case matching(p.PodSpec(), p.Nodes()) == 0:
		return selector
	case n[cordon] > n[taint]:
		return cordon
	case n[taint] > 0:
		return taint
	}
	return selector
}

func mostOf(n map[kind]int, kinds ...kind) (kind, int) {
	most := kinds[0]
	for _, k := range kinds {
		if n[k] > n[most] {
			most = k
		}
	}
	return most, n[most]
}

// ofControlPlane tells whether a taint reserves nodes for the control plane: hardly ever is such a node one that the pod
// was meant for.
func ofControlPlane(text string) bool {
	return strings.Contains(text, "node-role.kubernetes.io/master") || strings.Contains(text, "node-role.kubernetes.io/control-plane")
}
