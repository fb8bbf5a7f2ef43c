// SPDX-License-Identifier: Apache-2.0

package probe

import (
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
grace period, which a probe may set for itself (terminationGracePeriodSeconds).

**How it is told from its look-alikes.** The proof is the kubelet's Killing Event, "failed liveness probe, will be
restarted", within the life of the attempt; an Unhealthy Event alone is not, because a probe may fail and recover. Where the kernel says that it
killed a process of the container for memory in the seconds of the end, it was not the kubelet: it says so only of what nobody had
killed before. Where only the label says OOMKilled the finding is likely, because that counts earlier kills as well. 137
without such an order is memory or a stranger, 143 without it a deletion or a stranger, and exit code 0 a program that
finished. The kubelet's recorder drops Events beyond 25 about one pod: where the order of this attempt was not recorded
but earlier ones or failing probes within its life were, the finding is likely instead of certain. How the probe failed is
told from the Unhealthy Event: an HTTP status, a refused connection, a time-out, a command that failed or that the image does
not have, a server without gRPC health service. Whether it failed from the first try on is told from how long the attempt
lived: no longer than initialDelaySeconds and failureThreshold times periodSeconds. A path or a port that was wrong from the
first try on is a fault of the spec; one that was answered before is the program's.

**What to do.** A refused connection: a port that the container does not declare is the wrong one; otherwise the program was
not yet listening and needs a startup probe, unless its log says that it was. A time-out: the program is stuck or slow; look at CPU throttling and the node
before raising timeoutSeconds. A status of 404 from the first try on: correct the path; any other is the program's own word. A
startup probe that only opens a connection passes before the program can answer. A liveness probe must not depend on other
services. A warning (ProbeWarning) is no failure: a redirect to another host counts as success.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status | evidence.Events,
	Also:   evidence.Spec | evidence.Logs | evidence.Host,
	Effect: diagnosis.LivenessFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.Throttled, diagnosis.NodePressure, diagnosis.NodeSaturated, diagnosis.NetworkFailed, diagnosis.DependencyDown,
		diagnosis.VolumeFailed, diagnosis.RuntimeFailed, diagnosis.KernelFailed, diagnosis.Hung,
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
