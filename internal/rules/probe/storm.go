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

// stormOn returns what fails on the pass's node in one of the ways; false where it is of too few workloads, or where other
// nodes have it too.
func stormOn(p *diagnosis.Pass, ways ...kind) (storm, bool) {
	last := newest(p, ways)
	if last.IsZero() {
		return storm{}, false
	}
	s, elsewhere := storm{}, map[string]bool{}
	for _, pod := range diagnosis.List[*corev1.Pod](p, p.About()) {
		if e, fails := failsSo(p, pod, last, ways); fails {
			s.add(pod, e)
		}
	}
	if len(s.workloads) < atLeast || p.Now().Sub(last) >= recent && !ended(p, s.began, last) {
		return storm{}, false
	}
	for _, pod := range diagnosis.List[*corev1.Pod](p) {
		if _, fails := failsSo(p, pod, last, ways); fails && pod.Spec.NodeName != p.About().Name {
			elsewhere[workloadOf(pod)] = true
		}
	}
	return s, len(elsewhere) < len(s.workloads)
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

// newest is when a probe of a pod of the node failed so for the last time.
func newest(p *diagnosis.Pass, ways []kind) time.Time {
	var last time.Time
	for _, pod := range diagnosis.List[*corev1.Pod](p, p.About()) {
		for _, e := range p.EventsOf(evidence.RefOf(pod), "Unhealthy") {
			if slices.Contains(ways, how(e.Message, probeOf(pod, e)).kind) && e.Last.After(last) {
				last = e.Last
			}
		}
	}
	return last
}

// failsSo returns the Event by which a pod's probe failed in one of the ways within the storm's time.
func failsSo(p *diagnosis.Pass, pod *corev1.Pod, last time.Time, ways []kind) (evidence.Event, bool) {
	for _, e := range slices.Backward(p.EventsOf(evidence.RefOf(pod), "Unhealthy")) {
		if last.Sub(e.Last) <= stormLast && slices.Contains(ways, how(e.Message, probeOf(pod, e)).kind) {
			return e, true
		}
	}
	return evidence.Event{}, false
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
