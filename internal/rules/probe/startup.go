// SPDX-License-Identifier: Apache-2.0

package probe

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Startup recognises a container that the kubelet ended because it had not started within its startup probe's budget.
var Startup = &diagnosis.Rule{
	ID:    "PRB002",
	Title: "Killed by a failed startup probe",
	Doc: `
The startup probe did not succeed within failureThreshold times periodSeconds, and the kubelet ordered the container to be
ended and started anew. While a startup probe has not succeeded, liveness and readiness probes do not run at all.

**How it is told from its look-alikes.** The kubelet's Killing Event names the startup probe, "failed startup probe, will be
restarted"; the liveness probe's names itself. Exit codes are the same for both: 143 or 0 on SIGTERM, 137 after the grace
period. A program that ends by itself while it starts has no such order. Where the kubelet's recorder has dropped the order
of this attempt, earlier ones or failing probes within its life make it likely instead of certain.

**What to do.** If the program does start when it is given time, raise failureThreshold so that the budget is at least one
and a half times the longest start that was measured. If the probe asks the wrong port or path, no budget is enough: a
refused connection on each try, to the end, points to that.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status | evidence.Events,
	Also:   evidence.Spec | evidence.Logs | evidence.Host,
	Effect: diagnosis.StartupFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.Throttled, diagnosis.NodePressure, diagnosis.NodeSaturated, diagnosis.NetworkFailed, diagnosis.DependencyDown,
		diagnosis.VolumeFailed, diagnosis.RuntimeFailed, diagnosis.KernelFailed,
		diagnosis.ConfigChanged, diagnosis.RolledOut,
	},
	Run: func(p *diagnosis.Pass) {
		var probe *corev1.Probe
		if c := p.Spec(); c != nil {
			probe = c.StartupProbe
		}
		killedBy(p, evidence.ByStartup, "startupProbe", probe)
	},
}
