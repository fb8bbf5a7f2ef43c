// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// MultiAttach recognises a pod whose volume is attached to another node and can be attached to one only.
var MultiAttach = &diagnosis.Rule{
	ID:    "STO010",
	Title: "Volume is still attached to another node",
	Doc: `
The volume can be attached to one node at a time (ReadWriteOnce), and it is attached to another: the pod waits in
ContainerCreating until it is let go. Either a pod there still uses it, as the old pod of a rolling update does, or that node
does not answer, and nobody can say whether it still writes: then the controller waits for six minutes before it forces
the volume off.

**How it is told from its look-alikes.** The controller's Event says "Multi-Attach error", or "Waiting for detach" in newer versions. Which pod has the volume, and
whether that pod's node is ready, is looked up: a Deployment that keeps its old pod until the new one is ready waits for
itself for ever, a dead node needs a decision, a pod that is ending needs a moment. Two pods on the same node share a
ReadWriteOnce volume without trouble.

**What to do.** As the finding says. Never take a volume from a node that may still write to it.

The words are in kubernetes pkg/controller/volume/attachdetach/reconciler/reconciler.go (reportMultiAttachError).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status | evidence.Events,
	Also:     evidence.Node,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.StuckTerminating, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		for _, f := range failures(p, attached) {
			holder := holderOf(p, &f)
			if holder == nil {
				f.report(p, fmt.Sprintf("%s is still attached to another node, and pod %s waits for it", f.name(p), p.About().Name), diagnosis.Fix{
					Title: "Find out which pod or node has it, and end that pod or declare that node dead", Command: "kubectl get volumeattachments",
				})
				continue
			}
			p.Report(diagnosis.Finding{
				At: f.First, Confidence: diagnosis.Certain,
				Message: fmt.Sprintf("%s is still attached to node %s, where %s uses it, and pod %s on node %s waits for it",
					f.name(p), holder.Spec.NodeName, state(p, holder), p.About().Name, p.NodeName()),
				Facts: []evidence.Fact{f.Fact(), {
					Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(holder), Where: "status.phase",
					Text: "phase " + string(holder.Status.Phase),
				}, {
					Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(holder), Where: "spec.nodeName", Text: "nodeName " + holder.Spec.NodeName,
				}},
				Fixes: letGo(p, holder),
			})
		}
	},
}

// holderOf returns a pod on another node that uses the same claim, or nil.
func holderOf(p *diagnosis.Pass, f *failure) *corev1.Pod {
	c := f.claim(p)
	if c == nil {
		return nil
	}
	for _, pod := range users(p, c) {
		if pod.Spec.NodeName != "" && pod.Spec.NodeName != p.NodeName() {
			return pod
		}
	}
	return nil
}

// nodeLost tells whether the pod's node is known not to report.
func nodeLost(p *diagnosis.Pass, pod *corev1.Pod) bool {
	node, ok := diagnosis.Get[*corev1.Node](p, "", pod.Spec.NodeName)
	return ok && obstacle(node) == "not ready"
}

func state(p *diagnosis.Pass, pod *corev1.Pod) string {
	switch {
	case nodeLost(p, pod):
		return "pod " + pod.Name + " (its node does not report)"
	case pod.DeletionTimestamp != nil:
		return "pod " + pod.Name + " (it is ending)"
	}
	return "pod " + pod.Name
}

// letGo proposes how the volume gets free.
func letGo(p *diagnosis.Pass, holder *corev1.Pod) []diagnosis.Fix {
	node := holder.Spec.NodeName
	if nodeLost(p, holder) {
		return []diagnosis.Fix{{
			Title:   fmt.Sprintf("Make sure that node %s is off, and say so: its volumes are taken from it then", node),
			Command: fmt.Sprintf("kubectl taint nodes %s node.kubernetes.io/out-of-service=nodeshutdown:NoExecute", node), Risk: diagnosis.Evict,
		}}
	}
	if holder.DeletionTimestamp != nil {
		return []diagnosis.Fix{{Title: fmt.Sprintf("Wait until pod %s has ended; the volume follows within a minute", holder.Name)}}
	}
	end := diagnosis.Fix{
		Title: fmt.Sprintf("End pod %s, or give each pod a claim of its own", holder.Name), Risk: diagnosis.Restart,
		Command: fmt.Sprintf("kubectl delete pod -n %s %s", holder.Namespace, holder.Name),
	}
	top, _ := p.Workload()
	d, ok := p.Object(top).(*appsv1.Deployment)
	if !ok || !replaced(p, holder) || d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return []diagnosis.Fix{end}
	}
	return []diagnosis.Fix{{
		Title: fmt.Sprintf("Let Deployment %s end the old pod before it makes the new one: strategy Recreate", d.Name), Risk: diagnosis.Restart,
		Patch: &diagnosis.Patch{Target: top, Type: diagnosis.Strategic, Data: `{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}`},
	}, end}
}

// replaced tells whether the pass's pod is to take the place of another in a rollout: one Deployment made both, and for
// each another ReplicaSet. Two of one ReplicaSet are meant to run side by side.
func replaced(p *diagnosis.Pass, old *corev1.Pod) bool {
	sibling := slices.ContainsFunc(p.Siblings(), func(s *corev1.Pod) bool { return s.Name == old.Name })
	return sibling && metav1.GetControllerOf(old).UID != metav1.GetControllerOf(p.PodMeta()).UID
}
