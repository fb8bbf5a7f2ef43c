// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// BudgetBlocks recognises a node that cannot be drained because a disruption budget lets no pod go.
var BudgetBlocks = &diagnosis.Rule{
	ID:    "EVC010",
	Title: "Drain is held up by a PodDisruptionBudget",
	Doc: `
The node was closed to new pods, and pods of it stay where they are: their PodDisruptionBudget allows no disruption now, so
the API server refuses each eviction with "Cannot evict pod as it would violate the pod's disruption budget", and a drain,
an upgrade or an autoscaler waits.

**How it is told from its look-alikes.** The node is unschedulable, a budget that selects one of its pods has
disruptionsAllowed 0, and the pod is not being deleted. A pod that is being deleted and stays is DEL002. Budgets of nodes
that are open hold nobody up. A drain leaves pods of a DaemonSet where they are, and a budget does not guard a pod that is
not ready, unless too few others are healthy. Whether anybody drains the node is not recorded, so the finding is likely, and certain where
the one that drains says so in an Event.

**What to do.** If pods of the workload are not ready, repair them: they count against the budget. If the budget allows
nothing even when all are well (maxUnavailable 0, or minAvailable as large as the number of replicas), let it allow one.

The refusal is written in kubernetes pkg/registry/core/pod/storage/eviction.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Node,
	Also:   evidence.Spec | evidence.Status | evidence.Events,
	Effect: diagnosis.StuckTerminating,
	CausedBy: []diagnosis.Effect{
		diagnosis.NotScheduled, diagnosis.ImageUnavailable, diagnosis.ConfigMissing, diagnosis.VolumeFailed, diagnosis.SandboxFailed,
		diagnosis.ProcessFailed, diagnosis.ProcessCompleted, diagnosis.NotStarted, diagnosis.OutOfMemory, diagnosis.LivenessFailed,
		diagnosis.StartupFailed, diagnosis.NotReady, diagnosis.InitBlocked, diagnosis.Killed,
	},
	Run: func(p *diagnosis.Pass) {
		node := p.Node()
		if node == nil || !node.Spec.Unschedulable {
			return
		}
		for _, b := range diagnosis.List[*policyv1.PodDisruptionBudget](p) {
			if pods := held(p, b); b.Status.DisruptionsAllowed == 0 && len(pods) > 0 {
				p.Report(blocked(p, b, pods))
			}
		}
	},
}

// blocked is the finding about one budget.
func blocked(p *diagnosis.Pass, b *policyv1.PodDisruptionBudget, pods []*corev1.Pod) diagnosis.Finding {
	f := diagnosis.Finding{
		At: p.Now(), Confidence: diagnosis.Likely,
		Message: fmt.Sprintf("node %s is closed, and budget %s does not let pod %s be evicted: %d of %d pods are healthy, and it wants %d",
			p.About().Name, b.Name, pods[0].Name, b.Status.CurrentHealthy, b.Status.ExpectedPods, b.Status.DesiredHealthy),
		Facts: []evidence.Fact{{
			Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(b), Where: "status",
			Text: fmt.Sprintf("disruptionsAllowed 0, currentHealthy %d, desiredHealthy %d, expectedPods %d", b.Status.CurrentHealthy, b.Status.DesiredHealthy, b.Status.ExpectedPods),
		}, {Kind: evidence.Node, Source: evidence.FromSpec, About: p.About(), Where: "spec.unschedulable", Text: "unschedulable true"}},
		Fixes: []diagnosis.Fix{{
			Title:   fmt.Sprintf("Let budget %s allow one pod at a time: maxUnavailable 1, or more replicas than minAvailable", b.Name),
			Command: fmt.Sprintf("kubectl get -n %s pdb %s -o yaml", b.Namespace, b.Name),
		}},
	}
	for _, pod := range pods {
		f.Through = append(f.Through, evidence.RefOf(pod))
	}
	for _, e := range p.NodeEvents() {
		if refused.MatchString(e.Message) {
			f.Confidence = diagnosis.Certain
			f.Facts = append(f.Facts, e.Fact())
		}
	}
	if b.Status.CurrentHealthy < b.Status.ExpectedPods {
		f.Fixes = append([]diagnosis.Fix{{
			Title:   "Repair the pods of the workload that are not ready: they count against the budget",
			Command: fmt.Sprintf("kubectl get -n %s pods -l '%s'", b.Namespace, metav1.FormatLabelSelector(b.Spec.Selector)),
		}}, f.Fixes...)
	}
	return f
}

// refused is what those that drain write about a budget: Karpenter, the cluster autoscaler, and the API server's words.
var refused = regex.New(`(?i)disruption budget|prevents pod evictions|\bpdb\b`)

// held returns the node's pods that the budget selects, that are to go and that it does not let go (kubernetes
// pkg/registry/core/pod/storage/eviction.go).
func held(p *diagnosis.Pass, b *policyv1.PodDisruptionBudget) []*corev1.Pod {
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(diagnosis.List[*corev1.Pod](p, p.About()), func(pod *corev1.Pod) bool {
		stays := pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning || ofDaemonSet(pod) || !ready(pod) && sparesUnready(b)
		return stays || pod.Namespace != b.Namespace || !selector.Matches(labels.Set(pod.Labels))
	})
}

// ofDaemonSet tells whether a pod is one of a DaemonSet, or of the node itself: those that drain leave it alone.
func ofDaemonSet(pod *corev1.Pod) bool {
	c := metav1.GetControllerOf(pod)
	return c != nil && (c.Kind == "DaemonSet" || c.Kind == "Node")
}

// sparesUnready tells whether pods that are not ready may be evicted whatever the budget allows.
func sparesUnready(b *policyv1.PodDisruptionBudget) bool {
	enough := b.Status.CurrentHealthy >= b.Status.DesiredHealthy && b.Status.DesiredHealthy > 0
	always := b.Spec.UnhealthyPodEvictionPolicy
	return enough || always != nil && *always == policyv1.AlwaysAllow
}
