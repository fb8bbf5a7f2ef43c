// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Tainted recognises a pod that was deleted because its node, or a device of it, got a NoExecute taint.
var Tainted = &diagnosis.Rule{
	ID:    "EVC005",
	Title: "Pod was deleted because of a NoExecute taint",
	Doc: `
The node got a taint with the effect NoExecute that the pod does not tolerate, or no longer: the taint manager deleted it.
A node that is not ready or not reachable gets such a taint from the node controller, and pods tolerate it for 300 s
unless they say otherwise; any other taint was set by a person or a program. The pod is replaced and not restarted.

**How it is told from its look-alikes.** The condition DisruptionTarget has the reason DeletionByTaintManager (for a taint
of a device DeletionByDeviceTaintManager); before Kubernetes 1.26 only the Event TaintManagerEviction tells of it, and the
finding is likely. An Event that ends with "Cancelling deletion" is none: the taint was taken off in time. A taint with
NoSchedule removes nothing, and a drain evicts through the API (EVC003).

**What to do.** Find out why the node is not ready, or who set the taint. Pods that must stay need a toleration for it.

The wordings are in kubernetes pkg/controller/tainteviction; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Node | evidence.Spec,
	Effect:   diagnosis.Evicted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.DeviceFailed, diagnosis.ControlPlaneSlow, diagnosis.LeaseLost},
	Run: func(p *diagnosis.Pass) {
		d, sure := disrupted(p, "DeletionByTaintManager", "DeletionByDeviceTaintManager")
		confidence := diagnosis.Certain
		if !sure {
			confidence = diagnosis.Likely
			d, _ = announced(p, func(e evidence.Event) bool {
				return e.Reason == "TaintManagerEviction" || e.Reason == "NodeControllerEviction"
			})
			if !strings.HasPrefix(d.message, "Marking for deletion") {
				return
			}
		}
		f := diagnosis.Finding{At: d.at, Confidence: confidence, Facts: d.facts}
		f.Message, f.Fixes = why(p, &f, strings.Contains(d.message, "Device"))
		p.Report(f)
	},
}

// why says which taint it was, where the node still has it, and what to do about it.
func why(p *diagnosis.Pass, f *diagnosis.Finding, device bool) (string, []diagnosis.Fix) {
	name, node := p.About().Name, p.NodeName()
	if device {
		return fmt.Sprintf("pod %s was deleted because a device that it uses on node %s got a NoExecute taint", name, node),
			[]diagnosis.Fix{{Title: "Find out why the device was tainted", Command: "kubectl get devicetaintrules,resourceslices"}}
	}
	t, fact, ok := taintOf(p, func(t corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoExecute && !tolerated(p.PodSpec(), t)
	})
	if !ok {
		return fmt.Sprintf("pod %s was deleted because node %s got a NoExecute taint that it does not tolerate", name, node),
			[]diagnosis.Fix{{Title: fmt.Sprintf("Look at the taints and conditions of node %s", node), Command: describe(p)}}
	}
	f.Facts = append(f.Facts, fact)
	if t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable {
		state := strings.TrimPrefix(t.Key, "node.kubernetes.io/")
		return fmt.Sprintf("pod %s was deleted because node %s was %s for longer than the pod tolerates", name, node, strings.ReplaceAll(state, "-", " ")),
			[]diagnosis.Fix{{Title: fmt.Sprintf("Find out why node %s does not report", node), Command: describe(p)}}
	}
	return fmt.Sprintf("pod %s was deleted because node %s got the taint %s, which it does not tolerate", name, node, t.ToString()),
		[]diagnosis.Fix{
			{Title: "Take the taint off, if it is there by mistake", Command: fmt.Sprintf("kubectl taint node %s %s:%s-", node, t.Key, t.Effect)},
			{Title: fmt.Sprintf("Give the pod a toleration for %s, if it is to stay on such nodes", t.Key)},
		}
}

// tolerated tells whether the pod tolerates the taint for good.
func tolerated(spec *corev1.PodSpec, t corev1.Taint) bool {
	for _, tol := range spec.Tolerations {
		effect := tol.Effect == "" || tol.Effect == t.Effect
		key := tol.Key == "" && tol.Operator == corev1.TolerationOpExists || tol.Key == t.Key
		value := tol.Operator == corev1.TolerationOpExists || tol.Value == t.Value
		if effect && key && value && tol.TolerationSeconds == nil {
			return true
		}
	}
	return false
}
