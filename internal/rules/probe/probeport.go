// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ProbePort recognises a probe of a port that the container does not have.
var ProbePort = &diagnosis.Rule{
	ID:    "PRB104",
	Title: "Probe asks a port that the container does not declare",
	Doc: `
A probe asks a port by a name that no port of its container has, or by a number that no container of the pod declares while its own declares
others. By a wrong name the probe is never sent and always fails. A wrong number is refused on each try, and the kubelet ends
the container again and again, or never makes it ready.

**How it is told from its look-alikes.** Ports need not be declared, so a number counts only where the container does declare some. A port
that another container of the pod declares is open in the pod, and is left alone.

**What to do.** Let the probe ask by the name of the port, so that both change together.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.LivenessFailed,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		for _, f := range probesOf(c) {
			if f.probe.HTTPGet == nil && f.probe.TCPSocket == nil && f.probe.GRPC == nil {
				continue
			}
			name := unnamed(c, f.probe)
			if name == "" && !undeclared(p, f.probe) {
				continue
			}
			port, has := portOf(f.probe), list(c.Ports)
			if has == "" {
				has = "none"
			}
			fact := cite(p, f.field, f.probe.ProbeHandler)
			message := fmt.Sprintf("the %s of container %s asks port %s, and the container declares %s", words[f.field], c.Name, port.String(), has)
			if name != "" {
				message = fmt.Sprintf("the %s of container %s asks the port named %s, which it does not have: the probe is never sent", words[f.field], c.Name, name)
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Possible, Message: message, Facts: []evidence.Fact{fact}, Fixes: judgePort(p, f, "").fixes,
			})
		}
	},
}
