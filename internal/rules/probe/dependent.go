// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Dependent recognises a liveness probe that asks something other than its own program.
var Dependent = &diagnosis.Rule{
	ID:    "PRB106",
	Title: "Liveness probe asks another service",
	Doc: `
The liveness probe asks a host that is not its own pod: by the host of its handler, or by a command that is a client of a database or of
a web server elsewhere. While that service is down or slow, the kubelet restarts this container, which mends nothing; and all replicas
at once, so that the outage of one service becomes that of two.

**How it is told from its look-alikes.** A client that asks localhost asks its own program. A readiness probe may ask for what the program
depends on. Whether the program's own health path asks other services cannot be seen in a manifest.

**What to do.** Let the liveness probe ask only whether the process itself works, and the readiness probe for the rest.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.LivenessFailed,
	Run: func(p *diagnosis.Pass) {
		c := lasting(p)
		if c == nil || c.LivenessProbe == nil {
			return
		}
		host := other(c.LivenessProbe.ProbeHandler)
		if host == "" {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("the liveness probe of container %s asks %s: when that is down, this is restarted too", c.Name, host),
			Facts:      []evidence.Fact{cite(p, "livenessProbe", c.LivenessProbe.ProbeHandler)},
			Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Let the liveness probe of %s ask only about its own process, and its readiness probe about %s", c.Name, host)}},
		})
	},
}
