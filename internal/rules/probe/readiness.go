// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Readiness recognises a container that runs and is not ready, because its readiness probe fails.
var Readiness = &diagnosis.Rule{
	ID:    "PRB003",
	Title: "Readiness probe fails, so the container gets no traffic",
	Doc: `
The container runs, its readiness probe fails, and the pod is taken out of the endpoints of its Services. Nothing is
restarted for it: a failing readiness probe never ends a container.

**How it is told from its look-alikes.** The container is running now and its status says ready false; an Unhealthy Event
"Readiness probe failed" lies within the present run. A container that is not ready because it crashed, waits or is being
restarted has another cause. One whose startup probe has not succeeded is not ready either: then started is false, and the
readiness probe has not run. A container that has only begun is not ready either, as in any rollout: it gets its
initialDelaySeconds and the time of failureThreshold failures first. Where no Events are to be had, nothing but the readiness
probe can keep a container that has started from being ready: the finding is likely then, and cannot say how the probe fails.
A warning (ProbeWarning) is no failure: a redirect to another host counts as success.

**What to do.** Ask the probe's own question by hand, and look at what the program waits for. A time-out means slow; a
refused connection means another port, or not listening yet.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status | evidence.Spec,
	Also:   evidence.Events,
	Effect: diagnosis.NotReady,
	CausedBy: []diagnosis.Effect{
		diagnosis.DependencyDown, diagnosis.NetworkFailed, diagnosis.Throttled, diagnosis.NodePressure, diagnosis.NodeLost,
		diagnosis.NodeSaturated, diagnosis.VolumeFailed, diagnosis.RuntimeFailed,
		diagnosis.LivenessFailed, diagnosis.StartupFailed, diagnosis.ProcessFailed, diagnosis.OutOfMemory, diagnosis.Killed,
		diagnosis.ConfigChanged, diagnosis.RolledOut,
	},
	Run: func(p *diagnosis.Pass) {
		st, c := p.Status(), p.Spec()
		if !running(p) || c.ReadinessProbe == nil || st.Ready || st.Started != nil && !*st.Started {
			return
		}
		began := st.State.Running.StartedAt.Time
		if p.Now().Sub(began) < patience(c.ReadinessProbe) {
			return
		}
		e, failed := failures(p, "Readiness", p.Now())
		switch {
		case failed && !e.Last.Before(began):
			unready(p, e)
		case p.Lacks(evidence.Events) != 0 && !began.IsZero():
			p.Report(diagnosis.Finding{
				At: began, Confidence: diagnosis.Likely,
				Message: fmt.Sprintf("container %s runs and gets no traffic because its readiness probe has not succeeded (%s)", c.Name, target(c.ReadinessProbe)),
				Facts:   append(notReady(p), p.CiteSpec("readinessProbe.failureThreshold", c.ReadinessProbe.FailureThreshold)),
				Fixes:   []diagnosis.Fix{lookInto(p, field(c.ReadinessProbe))},
			})
		}
	},
}

func field(probe *corev1.Probe) failing { return failing{field: "readinessProbe", probe: probe} }

// running tells whether the container runs and its pod is to stay.
func running(p *diagnosis.Pass) bool {
	st := p.Status()
	return st != nil && st.State.Running != nil && p.PodMeta().DeletionTimestamp == nil
}

// unready reports a container whose readiness probe fails as the Event says.
func unready(p *diagnosis.Pass, e evidence.Event) {
	c := p.Spec()
	f := field(c.ReadinessProbe)
	f.verdict = how(e.Message, c.ReadinessProbe)
	began := p.Status().State.Running.StartedAt.Time
	// The pod's condition changes after a container has become ready, and not before it was started.
	ready, known := p.CitePodCondition(corev1.PodReady)
	f.before = ready.At.After(began) && !began.IsZero()
	f.always = known && !f.before && fromStart(c.ReadinessProbe, e.First.Sub(began))
	said := judge(p, f)
	found := diagnosis.Finding{
		At: e.Last, Confidence: diagnosis.Certain,
		Message: fmt.Sprintf("container %s runs and gets no traffic because its readiness probe fails: %s (%s)", c.Name, f.text, target(c.ReadinessProbe)),
		Facts:   []evidence.Fact{e.Fact()},
		Fixes:   said.fixes,
	}
	if said.text != "" {
		found.Message += ", " + said.text
	}
	if known {
		found.Facts = append(found.Facts, ready)
	} else {
		found.Facts = append(found.Facts, notReady(p)...)
	}
	if !known || began.IsZero() {
		found.Confidence = diagnosis.Likely
	}
	p.Report(found)
}

// notReady cites what says that the container is not ready.
func notReady(p *diagnosis.Pass) []evidence.Fact {
	facts := []evidence.Fact{{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: p.Status().State.Running.StartedAt.Time,
		Where: p.StatusPath() + ".ready", Text: "ready false",
	}}
	if ready, ok := p.CitePodCondition(corev1.PodReady); ok {
		facts = append(facts, ready)
	}
	return facts
}
