// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CredentialsRefused recognises a program whose credentials a dependency does not take.
var CredentialsRefused = &diagnosis.Rule{
	ID:    "DEP009",
	Title: "Dependency refuses the credentials",
	Doc: `
The program reached its dependency, and that refused user, password, token or key. Nothing is wrong with the network or
with the dependency's health.

**How it is told from its look-alikes.** By the words of databases, brokers and HTTP clients for it. A refusal of the Kubernetes API names the
service account and is another rule's; a file that may not be read and a TLS certificate are others', too. A Secret that was
changed without a restart of the pods, or rotated at the other side, is the usual reason.

**What to do.** Compare what the Secret holds with what the dependency knows; environment variables are read only when a container
starts.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != credentials {
			return
		}
		f := c.words("it refuses the credentials")
		f.Fixes = append(f.Fixes, diagnosis.Fix{Title: "Compare the credentials in the Secret that the pod uses with those that the dependency knows, and restart the pods after a change"})
		p.Report(f)
	},
}
