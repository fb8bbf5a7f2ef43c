// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	atLeast   = 3               // workloads whose probes fail before it is the node's matter
	stormLast = 2 * time.Minute // within which they fail
)

// A storm is probes of several workloads of one node that fail in the same way at about the same time.
type storm struct {
	began     time.Time
	workloads []string
	pods      []string
	facts     []evidence.Fact // one for each workload
}

// A failed is an Event that tells of a failed probe, and the way in which it failed.
type failed struct {
	pod   *corev1.Pod
	event evidence.Event
	way   kind
}

func (f *failed) since(last time.Time, ways []kind) bool {
	return last.Sub(f.event.Last) <= stormLast && slices.Contains(ways, f.way)
}

// An outcry is all that is told of failed probes: by node, the pods in order and of each the oldest first; and newest first.
type outcry struct {
	on     map[string][]*failed
	newest []*failed
}

// outcryOf reads the Events of all pods once for all nodes.
func outcryOf(p *diagnosis.Pass) outcry {
	return diagnosis.Once(p, "failed probes", func() outcry {
		all := outcry{on: map[string][]*failed{}}
		for _, pod := range diagnosis.List[*corev1.Pod](p) {
			for _, e := range p.EventsOf(evidence.RefOf(pod), "Unhealthy") {
				f := &failed{pod, e, how(e.Message, probeOf(pod, e)).kind}
				all.on[pod.Spec.NodeName] = append(all.on[pod.Spec.NodeName], f)
				all.newest = append(all.newest, f)
			}
		}
		slices.SortFunc(all.newest, func(a, b *failed) int { return b.event.Last.Compare(a.event.Last) })
		return all
	})
}

// stormOn returns what fails on the pass's node in one of the ways; false where it is of too few workloads, or where other
// nodes have it too.
func stormOn(p *diagnosis.Pass, ways ...kind) (storm, bool) {
	all, node := outcryOf(p), p.About().Name
	last := newest(all.on[node], ways)
	if last.IsZero() {
		return storm{}, false
	}
	s := stormOf(all.on[node], last, ways)
	if len(s.workloads) < atLeast || p.Now().Sub(last) >= recent && !ended(p, s.began, last) {
		return storm{}, false
	}
	elsewhere := map[string]bool{}
	for _, f := range all.newest {
		if last.Sub(f.event.Last) > stormLast {
			break // as is all that comes after
		}
		if f.pod.Spec.NodeName != node && f.since(last, ways) {
			if elsewhere[workloadOf(f.pod)] = true; len(elsewhere) >= len(s.workloads) {
				return s, false
			}
		}
	}
	return s, true
}

// stormOf adds up what failed within the storm's time: of each pod the newest failure.
func stormOf(on []*failed, last time.Time, ways []kind) storm {
	var s storm
	for i := 0; i < len(on); {
		var best *failed
		for pod := on[i].pod; i < len(on) && on[i].pod == pod; i++ {
			if on[i].since(last, ways) {
				best = on[i]
			}
		}
		if best != nil {
			s.add(best.pod, best.event)
		}
	}
	return s
}

// recent is how old a storm may be in which no container ended. The kubelet's recorder lets one Event in five minutes
// through where probes fail all the time.
const recent = 15 * time.Minute

// ended tells whether a container of a pod of the node ended in the storm, or at its end: that is to be explained however
// long ago it was.
func ended(p *diagnosis.Pass, began, last time.Time) bool {
	for _, pod := range diagnosis.List[*corev1.Pod](p, p.About()) {
		for _, a := range p.AttemptsOf(evidence.RefOf(pod)) {
			if a.Expected == "" && a.Finished.After(began) && a.Finished.Before(last.Add(stormLast)) {
				return true
			}
		}
	}
	return false
}

// newest is when a probe failed so for the last time.
func newest(on []*failed, ways []kind) time.Time {
	var last time.Time
	for _, f := range on {
		if slices.Contains(ways, f.way) && f.event.Last.After(last) {
			last = f.event.Last
		}
	}
	return last
}

func (s *storm) add(pod *corev1.Pod, e evidence.Event) {
	at := e.Last
	if e.Last.Sub(e.First) <= stormLast {
		at = e.First
	}
	if s.began.IsZero() || at.Before(s.began) {
		s.began = at
	}
	s.pods = append(s.pods, pod.Name)
	if name := workloadOf(pod); !slices.Contains(s.workloads, name) {
		s.workloads = append(s.workloads, name)
		s.facts = append(s.facts, e.Fact())
	}
}

// workloadOf names what a pod is one of; a pod alone is its own workload.
func workloadOf(pod *corev1.Pod) string {
	if c := metav1.GetControllerOf(pod); c != nil {
		return pod.Namespace + "/" + c.Kind + "/" + c.Name
	}
	return pod.Namespace + "/" + pod.Name
}

// probeOf returns the probe that an Event is about, or nil.
func probeOf(pod *corev1.Pod, e evidence.Event) *corev1.Probe {
	c := evidence.ContainerSpec(pod, e.About.Container)
	sort, _, _ := strings.Cut(e.Message, " probe")
	switch {
	case c == nil:
		return nil
	case sort == "Liveness":
		return c.LivenessProbe
	case sort == "Startup":
		return c.StartupProbe
	}
	return c.ReadinessProbe
}

// report says what the storm points to.
func (s *storm) report(p *diagnosis.Pass, message string, fix diagnosis.Fix) {
	f := diagnosis.Finding{At: s.began, Confidence: diagnosis.Likely, Message: message, Facts: s.facts[:min(len(s.facts), 6)], Fixes: []diagnosis.Fix{fix}}
	if ready, ok := p.CiteNodeCondition(corev1.NodeReady); ok {
		f.Facts = append(f.Facts, ready)
	}
	p.Report(f)
}

func (s *storm) count() string {
	return fmt.Sprintf("probes of %d pods of %d workloads", len(s.pods), len(s.workloads))
}
