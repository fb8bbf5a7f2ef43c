// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// AllAtOnce recognises a workload whose liveness probe ends all of its pods together.
var AllAtOnce = &diagnosis.Rule{
	ID:    "PRB010",
	Title: "Liveness probe ends all pods of a workload at once",
	Doc: `
All pods of the workload had been running, and within a minute the liveness probe of each failed and the kubelet ended it. What they have
in common is what the probe asks about: a database, a queue, another service. A liveness probe that depends on one turns the outage
of that one into an outage of this workload, and a start does not help.

**How it is told from its look-alikes.** There are at least two pods, all of them were ended so within a minute, and each, as far as is known, had run for more
than three times what its probe allows a container that never answers: a path or a port that is wrong from the beginning, or a
slow start, ends every run at the same age. Where each is ended again and again since, the first order counts: Events tell of it. Pods of one node that fail together have the node in common; here they are on several,
or nothing else on the node fails. The finding is likely where liveness and readiness ask the same, else possible.

**What to do.** Let the liveness probe ask only whether the process itself can go on; what it depends on belongs into the readiness probe.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec | evidence.Status | evidence.Events,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.NameUnresolved, diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		pods := p.Siblings()
		if len(pods) < 2 || len(p.Owners()) > 0 { // told of the topmost
			return
		}
		facts, first, last := together(p, pods, func(e evidence.Event) time.Time { return e.Last })
		if facts == nil { // by now each may be in a loop of its own, which began so
			if facts, first, last = together(p, pods, func(e evidence.Event) time.Time { return e.First }); facts == nil {
				return
			}
		}
		f := diagnosis.Finding{
			At: first, Confidence: diagnosis.Possible, Facts: facts[:min(len(facts), 4)],
			Message: fmt.Sprintf("the liveness probe ended all %d pods of %s within %s: it depends on something that they share",
				len(pods), p.About().Name, last.Sub(first)),
			Fixes: []diagnosis.Fix{{Title: fmt.Sprintf("Let the liveness probe of %s ask only about the process itself, and its readiness probe about the rest", p.About().Name)}},
		}
		if c := same(pods[0]); c != nil {
			f.Confidence = diagnosis.Likely
			f.Message += ", as its readiness probe does, which asks the same"
			under, text := asked(c.LivenessProbe.ProbeHandler)
			for _, field := range []string{"livenessProbe", "readinessProbe"} {
				f.Facts = append(f.Facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(pods[0]).InContainer(c.Name),
					Where: "spec.containers[" + c.Name + "]." + field + under, Text: text,
				})
			}
		}
		p.Report(f)
	},
}

// together returns the orders to end a container of each pod, and when the first and the last of them came, where all did within a minute.
func together(p *diagnosis.Pass, pods []*corev1.Pod, when func(evidence.Event) time.Time) (facts []evidence.Fact, first, last time.Time) {
	proven := false
	for _, pod := range pods {
		e, ran := shot(p, pod, when)
		if ran == tooShort {
			return nil, first, last
		}
		proven = proven || ran == well
		at := when(e)
		if facts = append(facts, e.Fact()); first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	if last.Sub(first) > time.Minute || !proven {
		return nil, first, last
	}
	slices.SortStableFunc(facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	return facts, first, last
}

// How the run of a container was that an order ended.
type course uint8

const (
	tooShort course = iota // to tell anything, or there was no such order
	unknown                // it is not known: of earlier runs of pods beside, a status tells nothing
	well
)

// shot returns the newest order to end a container of the pod for its liveness probe, and how that container had run before that time
// of it: an Event tells of the first order and the last.
func shot(p *diagnosis.Pass, pod *corev1.Pod, when func(evidence.Event) time.Time) (newest evidence.Event, ran course) {
	for _, e := range p.EventsOf(evidence.RefOf(pod), "Killing") {
		if strings.Contains(e.Message, "failed liveness probe") {
			newest = e
		}
	}
	c := evidence.ContainerSpec(pod, newest.About.Container)
	if c == nil || c.LivenessProbe == nil {
		return newest, tooShort
	}
	at := when(newest)
	for _, a := range p.AttemptsOf(evidence.RefOf(pod).InContainer(c.Name)) {
		switch {
		case !a.Finished.IsZero() && a.Finished.Before(at): // not yet the oldest that had not ended before
			continue
		case a.Of.Attempt > 0 && !a.Started.Before(at): // both in whole seconds
			return newest, unknown
		case a.Expected == "" && at.Sub(a.Started) > 3*patience(c.LivenessProbe):
			return newest, well
		}
		return newest, tooShort
	}
	return newest, tooShort
}

// same returns the container whose liveness and readiness probe ask the same, or nil.
func same(pod *corev1.Pod) *corev1.Container {
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if c.LivenessProbe != nil && c.ReadinessProbe != nil && reflect.DeepEqual(c.LivenessProbe.ProbeHandler, c.ReadinessProbe.ProbeHandler) {
			return c
		}
	}
	return nil
}
