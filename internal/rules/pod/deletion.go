// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A deletion is the request to delete the pass's pod.
type deletion struct {
	ordered time.Time // when it was asked for
	due     time.Time // when the grace period is over
	exact   bool      // false where the time of the request can only be bounded
	facts   []evidence.Fact
}

// slack covers that the API and the node write whole seconds, by two clocks.
const slack = 2 * time.Second

// read returns the deletion of the pass's pod. The API server writes deletionTimestamp as the time of the request plus
// the grace period. When all containers have ended the kubelet deletes the pod once more without grace; where a
// finalizer then keeps the object, both fields are that second request's, and the time of the first is that of the
// kubelet's order to stop the containers.
func read(p *diagnosis.Pass) (deletion, bool) {
	meta := p.PodMeta()
	if meta.DeletionTimestamp == nil {
		return deletion{}, false
	}
	d := deletion{due: meta.DeletionTimestamp.UTC(), exact: true}
	text := "deletionTimestamp " + d.due.Format(time.RFC3339)
	var grace time.Duration
	if s := meta.DeletionGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
		text += fmt.Sprintf(", deletionGracePeriodSeconds %d", *s)
	}
	d.ordered = d.due.Add(-grace)
	d.facts = []evidence.Fact{{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: d.ordered, Where: "metadata", Text: text}}
	stops := stops(p)
	if grace == 0 {
		from := earliest(p, d.ordered)
		stops = slices.DeleteFunc(stops, func(e evidence.Event) bool { return e.Last.Before(from) }) // as for a new sandbox
		d.exact = len(stops) > 0
		for _, e := range stops {
			if e.Last.Before(d.ordered) {
				d.ordered = e.Last
			}
		}
		d.facts[0].At = d.ordered
	}
	for _, e := range stops {
		if !e.Last.Before(d.ordered.Add(-slack)) {
			d.facts = append(d.facts, e.Fact())
		}
	}
	return d, true
}

// earliest is when the deletion may have been asked for, where the time of the request is lost: at most the pod's grace
// period, and what the kubelet needs to clean up, before the last trace of it.
func earliest(p *diagnosis.Pass, trace time.Time) time.Time {
	grace := time.Duration(corev1.DefaultTerminationGracePeriodSeconds) * time.Second
	if s := p.PodSpec().TerminationGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	return trace.Add(-grace - settle)
}

// stops returns the kubelet's orders to stop a container because its pod ends (kubernetes
// pkg/kubelet/kuberuntime/kuberuntime_container.go, killContainer).
func stops(p *diagnosis.Pass) []evidence.Event {
	var list []evidence.Event
	for _, e := range p.Events("Killing") {
		if strings.HasPrefix(e.Message, "Stopping container") {
			list = append(list, e)
		}
	}
	return list
}

// runningIn cites the containers that run, as far as the kubelet said.
func runningIn(p *diagnosis.Pass) []evidence.Fact {
	var facts []evidence.Fact
	for _, a := range p.Attempts() {
		if !a.Ended() {
			facts = append(facts, evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About().InContainer(a.Of.Container), At: a.Started.UTC(),
				Where: a.Where, Text: "startedAt " + a.Started.UTC().Format(time.RFC3339),
			})
		}
	}
	return facts
}
