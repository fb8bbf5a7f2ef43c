// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// evicted is the reason that the kubelet gives a pod (kubernetes pkg/kubelet/eviction/helpers.go, Reason).
const evicted = "Evicted"

// An eviction is what the kubelet says of throwing out the pass's pod.
type eviction struct {
	message string
	at      time.Time
	facts   []evidence.Fact
}

// read returns the eviction of the pass's pod. The status proves it; the Evicted Event of its kubelet and the condition
// DisruptionTarget, which only node pressure sets, tell when it was decided, before the containers were killed.
func read(p *diagnosis.Pass) (eviction, bool) {
	st := p.PodStatus()
	if st.Reason != evicted {
		return eviction{}, false
	}
	e := eviction{message: st.Message}
	e.facts = []evidence.Fact{{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(),
		Where: "status", Text: "reason " + st.Reason + ", message " + e.message,
	}}
	for _, event := range p.Events(evicted) {
		if event.Reporter == "karpenter" {
			continue
		}
		e.at = event.First
		e.facts = append(e.facts, event.Fact())
		break
	}
	for _, c := range st.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Reason == corev1.PodReasonTerminationByKubelet && e.at.IsZero() {
			e.at = c.LastTransitionTime.Time // its message repeats the status
		}
	}
	for _, a := range p.Attempts() {
		if e.at.IsZero() && !a.Finished.IsZero() {
			e.at = a.Finished
		}
	}
	for _, c := range st.Conditions { // the last resort: when the pod stopped being ready
		if c.Type == corev1.PodReady && e.at.IsZero() {
			e.at = c.LastTransitionTime.Time
		}
	}
	return e, true
}
