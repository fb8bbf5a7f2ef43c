// SPDX-License-Identifier: Apache-2.0

package node

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A spell is a time during which something was so, as an agent saw it begin and end.
type spell struct {
	from, to time.Time // to is zero while it lasts
	facts    []evidence.Fact
}

// spells returns the times from each record of one sort to the next of the other in the same place, oldest first.
func spells(p *diagnosis.Pass, begins, ends string) []spell {
	var list []spell
	open := map[string]int{}
	for _, f := range heard(p, begins, ends) {
		i, lasts := open[f.Where]
		switch {
		case f.Name == begins && !lasts:
			open[f.Where] = len(list)
			list = append(list, spell{from: f.At, facts: []evidence.Fact{f}})
		case f.Name == ends && lasts:
			list[i].to, list[i].facts = f.At, append(list[i].facts, f)
			delete(open, f.Where)
		}
	}
	return list
}

// lasting returns the records that such spells began with which are not over.
func lasting(list []spell) []evidence.Fact {
	var facts []evidence.Fact
	for i := range list {
		if list[i].to.IsZero() {
			facts = append(facts, list[i].facts...)
		}
	}
	return facts
}

// aftermath is how long after a runtime answers again what it had held up may still fail: the longest of the kubelet's own
// time limits that are usual (runtimeRequestTimeout, 2 minutes, counts from the call, which was before).
const aftermath = 30 * time.Second

// suffered returns what pods of the node show that a runtime which does not answer brings about, where that began in the
// spell: probes by a command that time out or cannot be run, calls that ran out of time, ends that nobody saw.
func suffered(p *diagnosis.Pass, from, to time.Time) []evidence.Fact {
	var facts []evidence.Fact
	fits := func(at time.Time) bool {
		return !at.Before(from.Truncate(time.Second)) && !at.After(to.Add(aftermath))
	}
	for _, pod := range podsOn(p) {
		ref := evidence.RefOf(pod)
		for _, a := range p.AttemptsOf(ref) {
			if (a.Reason == "Unknown" || a.Reason == "ContainerStatusUnknown") && fits(a.Finished) {
				facts = append(facts, a.Fact())
			}
		}
		for _, e := range p.EventsOf(ref, "Unhealthy", "FailedCreatePodSandBox", "Failed", "FailedKillPod", "FailedSync") {
			if fits(e.First) && heldUp(pod, e) {
				facts = append(facts, e.Fact())
			}
		}
	}
	slices.SortStableFunc(facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	return facts
}

// heldUp tells whether an Event says what a runtime's silence brings about. HTTP, TCP and gRPC probes do not ask the runtime, and what a
// registry or a network plugin did not answer is no fault of it.
func heldUp(pod *corev1.Pod, e evidence.Event) bool {
	if e.Reason == "Unhealthy" && !runsCommand(pod, e) {
		return false
	}
	if elsewhere := holds(e.Message, "pull image", "plugin type="); elsewhere && !holds(e.Message, runtimeSockets...) { // what the runtime asked did not answer
		return false
	}
	return holds(e.Message, "command timed out", "timed out after", "DeadlineExceeded", "deadline exceeded", "probe errored", "code = Unavailable", "code = Unknown desc = transport") ||
		holds(e.Message, "connection refused") && holds(e.Message, runtimeSockets...)
}

// runtimeSockets are where runtimes listen, as an error has them in its words.
var runtimeSockets = []string{"containerd.sock", "crio.sock", "docker.sock", "dockershim.sock", "cri-dockerd.sock"}

// runsCommand tells whether the probe that an Event is about runs a command in the container.
func runsCommand(pod *corev1.Pod, e evidence.Event) bool {
	c := evidence.ContainerSpec(pod, e.About.Container)
	if c == nil {
		return false
	}
	sort, _, _ := strings.Cut(e.Message, " probe")
	probe := map[string]*corev1.Probe{"Liveness": c.LivenessProbe, "Readiness": c.ReadinessProbe, "Startup": c.StartupProbe}[sort]
	return probe != nil && probe.Exec != nil
}
