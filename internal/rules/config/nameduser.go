// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// NamedUser recognises a container whose user the kubelet cannot judge.
var NamedUser = &diagnosis.Rule{
	ID:    "CFG005",
	Title: "User of the image is a name and may be root",
	Doc: `
The container says runAsNonRoot, and the image's USER is a name. Only the image knows what number that is, the kubelet
does not look into it, and so it does not create the container: the name may be root's.

**How it is told from its look-alikes.** By "non-numeric user" in CreateContainerConfigError. An image that is known to
run as root is another rule's matter, with another remedy: there the user has to change, here only to be written as a
number. A user that the image does not have at all is refused by the runtime.

**What to do.** Set runAsUser to the number that the name has in the image (id -u in it), or write the number after
USER.

The words are written in kubernetes pkg/kubelet/kuberuntime/security_context_others.go (verifyRunAsNonRoot); recorded
from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		waiting, ok := refusedFor(p, "non-numeric user")
		if !ok {
			return
		}
		name := captured(userWords, waiting.Text, "(unknown)")
		p.Report(diagnosis.Finding{
			At: began(p), Confidence: diagnosis.Certain, Facts: append([]evidence.Fact{waiting}, nonRoot(p)...),
			Message: fmt.Sprintf("container %s must not run as root, and its image gives its user as the name %s, which the kubelet cannot tell from root", p.About().Container, name),
			Fixes:   []diagnosis.Fix{setUser(p)},
		})
	},
}

var userWords = regex.New(`non-numeric user \(([^)]+)\)`)
