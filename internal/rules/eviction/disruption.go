// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A disruption is the end of the pass's pod as somebody other than its owner decided it.
type disruption struct {
	at      time.Time
	message string
	facts   []evidence.Fact
}

// disrupted returns the disruption of a pod that is being deleted, which the condition DisruptionTarget tells of with one
// of the reasons (KEP-3329). It is set before the pod is deleted.
func disrupted(p *diagnosis.Pass, reasons ...string) (disruption, bool) {
	if p.PodMeta().DeletionTimestamp == nil {
		return disruption{}, false // it was to be deleted, and was not
	}
	for _, c := range p.PodStatus().Conditions {
		if slices.Contains(reasons, c.Reason) { // no other condition has them, and one that is taken back has none
			fact, _ := p.CitePodCondition(corev1.DisruptionTarget)
			return disruption{at: c.LastTransitionTime.Time, message: c.Message, facts: []evidence.Fact{fact}}, true
		}
	}
	return disruption{}, false
}

// failedFor returns the disruption of a pod whose status gives one of the reasons for its failure.
func failedFor(p *diagnosis.Pass, reasons ...string) (disruption, bool) {
	st := p.PodStatus()
	if !slices.Contains(reasons, st.Reason) {
		return disruption{}, false
	}
	d := disruption{message: st.Message, facts: []evidence.Fact{{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status",
		Text: fmt.Sprintf("phase %s, reason %s, message %s", st.Phase, st.Reason, st.Message),
	}}}
	d.at = cmp.Or(turned(p, corev1.DisruptionTarget), firstEnd(p))
	return d, true
}

// turned is when a condition of the pass's pod took its status; zero where there is none of that type.
func turned(p *diagnosis.Pass, kind corev1.PodConditionType) time.Time {
	c, _ := p.CitePodCondition(kind)
	return c.At
}

// firstEnd is when a container of the pass's pod ended, of the first that tells.
func firstEnd(p *diagnosis.Pass) time.Time {
	var at time.Time
	for _, a := range p.Attempts() {
		at = cmp.Or(at, a.Finished)
	}
	return at
}

// announced returns the disruption of a pod that is being deleted, where only an Event tells of it: before Kubernetes 1.26
// there was no condition.
func announced(p *diagnosis.Pass, tells func(evidence.Event) bool) (disruption, bool) {
	due := p.PodMeta().DeletionTimestamp
	if due == nil {
		return disruption{}, false
	}
	leaving := evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "metadata", Text: "deletionTimestamp " + due.UTC().Format(time.RFC3339),
	}
	events := p.Events()
	for _, e := range slices.Backward(events) {
		if tells(e) {
			return disruption{at: e.First, message: e.Message, facts: []evidence.Fact{e.Fact(), leaving}}, true
		}
	}
	return disruption{}, false
}

// replaced tells whether the pod ends in order while another one of its workload has taken its place: then nothing is
// wrong. Its containers still run, within their grace period.
func replaced(p *diagnosis.Pass, since time.Time) bool {
	if p.Now().After(p.PodMeta().DeletionTimestamp.Time) {
		return false
	}
	for _, a := range p.Attempts() {
		if a.Ended() && a.Expected == "" {
			return false
		}
	}
	return slices.ContainsFunc(p.Siblings(), func(pod *corev1.Pod) bool {
		return pod.DeletionTimestamp == nil && ready(pod) && !pod.CreationTimestamp.Time.Before(since.Add(-2*time.Second))
	})
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// taintOf returns the first of the node's taints that is so, as a fact.
func taintOf(p *diagnosis.Pass, is func(corev1.Taint) bool) (corev1.Taint, evidence.Fact, bool) {
	node := p.Node()
	if node == nil {
		return corev1.Taint{}, evidence.Fact{}, false
	}
	i := slices.IndexFunc(node.Spec.Taints, is)
	if i < 0 {
		return corev1.Taint{}, evidence.Fact{}, false
	}
	return node.Spec.Taints[i], citeTaint(node, i), true
}

// citeTaint makes a fact of a taint of a node.
func citeTaint(node *corev1.Node, i int) evidence.Fact {
	t := node.Spec.Taints[i]
	f := evidence.Fact{
		Kind: evidence.Node, Source: evidence.FromSpec, About: evidence.RefOf(node), Where: fmt.Sprintf("spec.taints[%d]", i),
		Text: fmt.Sprintf("key %s, effect %s", t.Key, t.Effect),
	}
	if t.TimeAdded != nil {
		f.At = t.TimeAdded.UTC()
	}
	return f
}

func describe(p *diagnosis.Pass) string { return "kubectl describe node " + p.NodeName() }
