// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"time"

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
initialDelaySeconds and the time of failureThreshold failures first.

**What to do.** Ask the probe's own question by hand, and look at what the program waits for. A time-out means slow; a
refused connection means another port, or not listening yet.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status | evidence.Events,
	Also:   evidence.Spec,
	Effect: diagnosis.NotReady,
	CausedBy: []diagnosis.Effect{
		diagnosis.DependencyDown, diagnosis.NetworkFailed, diagnosis.Throttled, diagnosis.NodePressure, diagnosis.NodeLost,
		diagnosis.LivenessFailed, diagnosis.StartupFailed, diagnosis.ProcessFailed, diagnosis.OutOfMemory, diagnosis.Killed,
		diagnosis.ConfigChanged, diagnosis.RolledOut,
	},
	Run: func(p *diagnosis.Pass) {
		st := p.Status()
		if st == nil || st.State.Running == nil || st.Ready || st.Started != nil && !*st.Started || p.PodMeta().DeletionTimestamp != nil {
			return
		}
		c, began := p.Spec(), st.State.Running.StartedAt.Time
		if c == nil || c.ReadinessProbe == nil || p.Now().Sub(began) < patience(c.ReadinessProbe) {
			return
		}
		e, failing := failures(p, "Readiness", p.Now())
		if !failing || e.Last.Before(began) {
			return
		}
		failed := how(e.Message, c.ReadinessProbe)
		f := diagnosis.Finding{
			At: e.Last, Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("container %s runs and gets no traffic because its readiness probe fails: %s (%s)",
				c.Name, failed, target(c.ReadinessProbe)),
			Facts: []evidence.Fact{e.Fact()},
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("Find out what %s waits for before it is ready", c.Name),
				Command: fmt.Sprintf("kubectl -n %s logs %s -c %s --tail=50", p.About().Namespace, p.About().Name, c.Name),
			}},
		}
		if ready, ok := p.CitePodCondition("Ready"); ok {
			f.Facts = append(f.Facts, ready)
		} else {
			f.Confidence = diagnosis.Likely
		}
		p.Report(f)
	},
}

// patience is how long a container that begins may fail its readiness probe before that is a fault.
func patience(probe *corev1.Probe) time.Duration {
	return time.Duration(probe.InitialDelaySeconds+max(probe.PeriodSeconds, 1)*max(probe.FailureThreshold, 1)) * time.Second
}
