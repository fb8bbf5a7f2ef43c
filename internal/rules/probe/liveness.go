// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Liveness recognises a container that the kubelet ended because its liveness probe failed.
var Liveness = &diagnosis.Rule{
	ID:    "PRB001",
	Title: "Killed by a failed liveness probe",
	Doc: `
The liveness probe failed as often as failureThreshold allows, and the kubelet ordered the container to be ended and
started anew. The exit code says only how the program took it: 143 or 0 when it ended on SIGTERM, 137 when it outlived its
grace period.

**How it is told from its look-alikes.** The proof is the kubelet's Killing Event, "failed liveness probe, will be
restarted", within the life of the attempt; an Unhealthy Event alone is not, because a probe may fail and recover. 137
without such an order is memory or a stranger, 143 without it a deletion or a stranger, and exit code 0 a program that
finished. The kubelet's recorder drops Events beyond 25 about one pod: where the order of this attempt was not recorded
but earlier ones or failing probes within its life were, the finding is likely instead of certain. How the probe failed is
told from the Unhealthy Event: an HTTP status, a refused connection, a time-out, a command that failed, or a probe that
could not be run at all, which says nothing about the program.

**What to do.** A refused connection: wrong port, or the program was not yet listening and needs a startup probe. A
time-out: the program is stuck or slow; look at CPU throttling and the node before raising timeoutSeconds. An HTTP status:
the program's own word. A liveness probe must not depend on other services.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status | evidence.Events,
	Also:   evidence.Spec,
	Effect: diagnosis.LivenessFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.Throttled, diagnosis.NodePressure, diagnosis.NetworkFailed, diagnosis.DependencyDown, diagnosis.Hung,
		diagnosis.ConfigChanged, diagnosis.RolledOut,
	},
	Run: func(p *diagnosis.Pass) {
		var probe *corev1.Probe
		if c := p.Spec(); c != nil {
			probe = c.LivenessProbe
		}
		killedBy(p, evidence.ByLiveness, "livenessProbe", probe)
	},
}

// killedBy reports that a probe made the kubelet end the attempt.
func killedBy(p *diagnosis.Pass, by evidence.Orderer, field string, probe *corev1.Probe) {
	a := p.Attempt()
	order, ordered := p.Order()
	if !ordered || order.By != by || a.Reason == "OOMKilled" && a.ExitCode == 137 && !order.GraceExpired(a) {
		return
	}
	f := diagnosis.Finding{
		At: order.Event.Last, Confidence: diagnosis.Certain,
		Message: fmt.Sprintf("container %s was ended by the kubelet because its %s failed", a.Of.Container, by),
		Facts:   []evidence.Fact{order.Event.Fact()},
	}
	failed := ""
	if e, ok := failures(p, map[evidence.Orderer]string{evidence.ByLiveness: "Liveness", evidence.ByStartup: "Startup"}[by], a.Finished); ok {
		failed = how(e.Message, probe)
		f.Message += ": " + failed
		if e.Message != order.Event.Message {
			f.Facts = append(f.Facts, e.Fact())
		}
	}
	if probe != nil {
		f.Message += fmt.Sprintf(" (%s, %s)", target(probe), budget(probe))
		f.Facts = append(f.Facts, p.CiteSpec(field+".failureThreshold", probe.FailureThreshold), p.CiteSpec(field+".periodSeconds", probe.PeriodSeconds))
	}
	f.Facts = append(f.Facts, a.Fact())
	if order.Inferred {
		f.Confidence, f.At = diagnosis.Likely, a.Finished.Add(-time.Second)
	}
	f.Fixes = fixes(p, field, probe, failed)
	p.Report(f)
}
