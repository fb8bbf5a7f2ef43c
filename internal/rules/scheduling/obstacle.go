// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
)

// braced is how the scheduler wrote a taint from 1.18 to 1.36, without its effect.
var braced = regex.New(`\{([^:}]+): ?([^}]*)\}`)

// told returns the taints that the verdict names itself.
func told(v verdict) []obstacle {
	var groups []obstacle
	for _, r := range v.of(taint) {
		m := braced.FindStringSubmatch(r.text)
		if m == nil || len(v.of(taint)) > 1 && ofControlPlane(r.text) {
			continue
		}
		text := m[1]
		if m[2] != "" {
			text += "=" + m[2]
		}
		groups = append(groups, obstacle{taint: corev1.Taint{Key: m[1], Value: m[2]}, text: text, count: r.nodes})
	}
	slices.SortStableFunc(groups, func(a, b obstacle) int { return b.count - a.count })
	return groups[:min(len(groups), mostTaints)]
}

// who names the nodes, the first few where there are many.
func (o obstacle) who() string {
	switch {
	case len(o.nodes) == 0 && o.count == 1:
		return "1 node"
	case len(o.nodes) == 0:
		return fmt.Sprintf("%d nodes", o.count)
	case len(o.nodes) > mostTaints:
		return fmt.Sprintf("%d nodes (%s, …)", len(o.nodes), strings.Join(o.nodes[:mostTaints], ", "))
	}
	return "node " + strings.Join(o.nodes, ", ")
}

// first is the argument of commands that need one node.
func (o obstacle) first() string {
	if len(o.nodes) == 0 {
		return "NODE"
	}
	return o.nodes[0]
}

func (o obstacle) fixes(p *diagnosis.Pass) []diagnosis.Fix {
	switch {
	case strings.HasPrefix(o.taint.Key, "node.cloudprovider.kubernetes.io/"):
		return []diagnosis.Fix{{
			Title:   "Look why the cloud controller manager has not initialised " + o.who() + ": it takes the taint off",
			Command: "kubectl get pods -A -o wide | grep -i cloud-controller",
		}}
	case strings.HasSuffix(o.taint.Key, "/agent-not-ready"), o.taint.Key == corev1.TaintNodeNetworkUnavailable:
		return []diagnosis.Fix{{
			Title:   "Look why the network plugin is not ready on " + o.who() + ": it takes the taint off",
			Command: "kubectl get pods -n kube-system -o wide",
		}}
	case strings.HasPrefix(o.taint.Key, "node.kubernetes.io/") && len(o.nodes) == 0:
		return []diagnosis.Fix{{Title: "Repair the nodes: the taint then goes by itself", Command: "kubectl get nodes"}}
	case strings.HasPrefix(o.taint.Key, "node.kubernetes.io/"):
		return []diagnosis.Fix{{Title: "Repair " + o.who() + ": the taint then goes by itself", Command: "kubectl describe node " + o.first()}}
	}
	workload, _ := p.Workload()
	effect := ""
	if o.taint.Effect != "" {
		effect = ":" + string(o.taint.Effect)
	}
	return []diagnosis.Fix{{
		Title:   fmt.Sprintf("Let the pods of %s tolerate %s, if they belong on such nodes", workload, o.text),
		Command: edit(p),
	}, {
		Title:   fmt.Sprintf("Take the taint %s off, if it is no longer meant", o.text),
		Command: fmt.Sprintf("kubectl taint nodes %s %s%s-", o.first(), o.taint.Key, effect),
	}}
}
