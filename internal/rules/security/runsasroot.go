// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RunsAsRoot recognises a container whose user is left to its image.
var RunsAsRoot = &diagnosis.Rule{
	ID:    "SEC102",
	Title: "Nothing keeps the container from running as root",
	Doc: `
Neither runAsNonRoot nor another user than 0 is set, so the container runs as whoever its image says, which most often is root. Who breaks out of
it is root on the node, where no user namespace separates the two.

**How it is told from its look-alikes.** The container's settings are looked at, then the pod's. With hostUsers: false its root is nobody on the node,
and it is left alone.

**What to do.** Set runAsNonRoot: true, and runAsUser where the image has no number of its own.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		s, spec := settingsOf(p), p.PodSpec()
		if s.nonRoot != nil && *s.nonRoot || s.user != nil && *s.user != 0 || spec.HostUsers != nil && !*spec.HostUsers {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("container %s may run as root: neither runAsNonRoot nor another user is set", p.About().Container),
			Facts:      []evidence.Fact{p.CiteSpec(s.where, "without runAsNonRoot")},
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Set runAsNonRoot of container %s", p.About().Container), Risk: diagnosis.Restart,
				Patch: p.PatchContainer(map[string]any{"securityContext": map[string]any{"runAsNonRoot": true}}),
			}},
		})
	},
}
