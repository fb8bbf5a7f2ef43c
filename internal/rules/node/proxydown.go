// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ProxyDown recognises a node on which Services do not work.
var ProxyDown = &diagnosis.Rule{
	ID:    "NOD021",
	Title: "kube-proxy does not run on the node",
	Doc: `
The pod that turns Services into rules of the kernel on this node, kube-proxy, is not ready, or cannot write its rules. Those that are there stay: old Services work until their pods move, new ones never. What is refused or runs
into a time-out on this node works on others.

**How it is told from its look-alikes.** By the pod kube-proxy on this very node, or its own words about iptables. A Service without endpoints fails on every node. Networks without kube-proxy (Cilium in its place) have no such pod, and
then nothing is said.

**What to do.** Look at the log of that pod. "Another app is currently holding the xtables lock" again and again means that somebody else writes rules all the time; a mix of iptables-nft and
iptables-legacy makes rules that each alone cannot see.

kube-proxy carries the label k8s-app=kube-proxy where kubeadm and most providers make it.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Host | evidence.Node,
	Effect:   diagnosis.NetworkFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ProcessFailed, diagnosis.NodeLost, diagnosis.ImageUnavailable},
	Run: func(p *diagnosis.Pass) {
		var facts []evidence.Fact
		for _, pod := range podsOn(p) {
			named := pod.Labels["k8s-app"] == "kube-proxy" || strings.HasPrefix(pod.Name, "kube-proxy-")
			if !named || pod.Namespace != "kube-system" || podReady(pod) {
				continue
			}
			facts = append(facts, citeReady(pod))
		}
		what := "is not ready"
		if logged := troubles(p, "iptables"); len(logged) >= manyRefusals {
			facts, what = append(facts, logged...), "could not write its rules"+times(logged)
		}
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("kube-proxy of %s %s: addresses of Services are not kept up to date there", nodeName(p), what),
			Fixes:   look("Look at the log of kube-proxy on that node", "kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy --field-selector spec.nodeName="+p.About().Name),
		})
	},
}

// citeReady cites a pod's condition Ready, else its phase.
func citeReady(pod *corev1.Pod) evidence.Fact {
	fact := evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(pod), Where: "status.phase", Text: "phase " + string(pod.Status.Phase),
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			fact.Where, fact.Text = "status.conditions[Ready]", "status "+string(c.Status)
		}
	}
	return fact
}

func podReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
