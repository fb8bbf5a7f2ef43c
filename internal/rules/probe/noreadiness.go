// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoReadiness recognises a container that serves and has no readiness probe.
var NoReadiness = &diagnosis.Rule{
	ID:    "PRB101",
	Title: "Container that serves has no readiness probe",
	Doc: `
A container without a readiness probe counts as ready as soon as its process runs. Requests reach it while it still starts, and a
rollout goes on to the next pod although the new one may never answer: a revision that does not work replaces one that does.

**How it is told from its look-alikes.** The container declares a port, or it is the only one of its pod, and it is to run for as long
as its pod. Containers of jobs and init containers are left out, and those beside one that declares ports.

**What to do.** Add a readinessProbe that asks what a client would ask, cheaply, and that may ask for what the program
depends on. A liveness probe must not.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotReady,
	Run: func(p *diagnosis.Pass) {
		c := lasting(p)
		if c == nil || c.ReadinessProbe != nil || len(c.Ports) == 0 && len(p.PodSpec().Containers) > 1 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("container %s has no readiness probe: it gets requests before it can answer them", c.Name),
			Facts:      []evidence.Fact{absent(p, "readinessProbe")},
			Fixes:      []diagnosis.Fix{readinessFix(p, c)},
		})
	},
}

// readinessFix adds a probe that is known to be answered: of the port that the container declares.
func readinessFix(p *diagnosis.Pass, c *corev1.Container) diagnosis.Fix {
	if len(c.Ports) == 0 || c.Ports[0].Protocol == corev1.ProtocolUDP {
		return diagnosis.Fix{Title: fmt.Sprintf("Give container %s a readiness probe", c.Name), Risk: diagnosis.Restart}
	}
	return diagnosis.Fix{
		Title: fmt.Sprintf("Give container %s a readiness probe of port %d, better of a path", c.Name, c.Ports[0].ContainerPort), Risk: diagnosis.Restart,
		Patch: p.PatchContainer(map[string]any{"readinessProbe": map[string]any{"tcpSocket": map[string]any{"port": c.Ports[0].ContainerPort}}}),
	}
}
