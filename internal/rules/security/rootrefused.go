// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RootRefused recognises a container that the kubelet will refuse.
var RootRefused = &diagnosis.Rule{
	ID:    "SEC101",
	Title: "Container that must not be root would run as root",
	Doc: `
runAsNonRoot is set, and the user is 0, or is left to an image that is known to start as root. The kubelet refuses to create the container
(CreateContainerConfigError, "container has runAsNonRoot and image will run as root"), at the first start and at each one after.

**How it is told from its look-alikes.** The user that counts is the container's, else the pod's, else the image's. Of images only those of the
Docker library are known here; of others nothing is said.

**What to do.** Set runAsUser to a user that the image can run as, or take its unprivileged variant.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.ConfigMissing,
	Run: func(p *diagnosis.Pass) {
		s, c := settingsOf(p), p.Spec()
		if s.nonRoot == nil || !*s.nonRoot {
			return
		}
		name := official(c.Image)
		switch {
		case s.user != nil && *s.user != 0, s.user == nil && !habits[name].root:
			return
		}
		message := fmt.Sprintf("container %s must not run as root and is told to run as user 0: the kubelet refuses to create it", c.Name)
		fact := p.CiteSpec("securityContext.runAsUser", 0)
		if s.user == nil {
			message = fmt.Sprintf("container %s must not run as root and image %s does: the kubelet refuses to create it", c.Name, name)
			fact = p.CiteSpec("image", c.Image)
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible, Message: message, Facts: []evidence.Fact{fact},
			Fixes: []diagnosis.Fix{{Title: fmt.Sprintf("Set runAsUser of container %s to a user that its image can run as", c.Name), Risk: diagnosis.Restart}},
		})
	},
}
