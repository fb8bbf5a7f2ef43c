// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"cmp"
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

// read returns what the status of the pass's pod says of its end: an eviction is known by the words. The Evicted Event of
// its kubelet and the condition DisruptionTarget, which only node pressure sets, tell when it was decided, before the
// containers were killed.
func read(p *diagnosis.Pass) eviction {
	st := p.PodStatus()
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
	// The condition's message repeats the status. The last resort is when the pod stopped being ready.
	e.at = cmp.Or(e.at, turned(p, corev1.DisruptionTarget), firstEnd(p), turned(p, corev1.PodReady))
	return e
}
