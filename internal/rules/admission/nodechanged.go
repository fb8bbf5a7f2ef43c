// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodeChanged recognises a pod that its node turned away because the node is not, or no longer, one that the pod may use.
var NodeChanged = &diagnosis.Rule{
	ID:    "ADM015",
	Title: "The kubelet turned the pod away because the node does not match it",
	Doc: `
The kubelet looks at the pod's node selector and affinity, at its taints with NoExecute, and at the name once more before it takes
a pod, and says no. The labels of the node were changed after the pod had been placed and the node or its kubelet was restarted
then, as in the upgrade of a node pool; or the manifest names the node and bypasses the scheduler.

**How it is told from its look-alikes.** The pod has a node, the phase Failed and the reason NodeAffinity (before 1.19
MatchNodeSelector), NodeName or TaintToleration, and no container ran since. A pod that the scheduler cannot place for its selector is
Pending (SCH003). A label that changes while the node runs ends no pod.

**What to do.** Give the node its labels back, or set them where they last: in the node group or in the kubelet's node-labels. What is
left of the pod can be deleted.

The words are written in kubernetes pkg/kubelet/lifecycle/predicate.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeRestarted, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		reasons := []string{"NodeAffinity", "MatchNodeSelector", "NodeSelectorMismatching", "NodeName", "HostName", "TaintToleration", "PodToleratesNodeTaints"}
		r := rejected(p)
		if !slices.Contains(reasons, r.reason) {
			return
		}
		spec, facts := p.PodSpec(), pinned(p)
		does := "does not match its node selector or affinity"
		switch {
		case strings.Contains(r.reason, "Taint"):
			does = "has a taint that it does not tolerate"
		case slices.Contains([]string{"NodeName", "HostName"}, r.reason):
			does = "is not the one that it names"
		}
		for _, key := range slices.Sorted(maps.Keys(spec.NodeSelector)) {
			facts = append(facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: "spec.nodeSelector[" + key + "]", Text: key + " " + spec.NodeSelector[key],
			})
		}
		message := fmt.Sprintf("the kubelet turned pod %s away because %s %s", p.About().Name, where(p), does)
		fixes := []diagnosis.Fix{{Title: "Give the node the labels that the pod asks for, or correct what it asks for", Command: "kubectl get node --show-labels " + p.NodeName()}, again(p)}
		if strings.Contains(r.reason, "Taint") {
			fixes[0] = diagnosis.Fix{Title: "Take the taint off the node, or let the pod tolerate it", Command: "kubectl describe node " + p.NodeName()}
		}
		if len(pinned(p)) > 0 {
			message += "; its manifest names the node, so no scheduler looked for another"
			fixes[0] = diagnosis.Fix{Title: "Leave nodeName out, so that the scheduler finds a node that matches"}
		}
		r.report(p, message, facts, fixes...)
	},
}
