// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Capability recognises a container that asks for a capability that it cannot have.
var Capability = &diagnosis.Rule{
	ID:    "CRT007",
	Title: "Capability cannot be given to the container",
	Doc: `
The container's spec adds a capability that the runtime does not know or that the node may not give: a misspelt name
(the API takes any string), a capability that is newer than the kernel, or a node that runs in a container itself and
has lost it.

**How it is told from its look-alikes.** By "unable to apply caps", "unknown capability" or "invalid capability" in the
runtime's message, before any process runs. A process that runs and lacks a capability ends by itself with "operation
not permitted" in its log.

**What to do.** Spell the capability as capabilities(7) does, with or without CAP_. Where the node cannot give it, take
it off the list, or use a node of another sort.

The wordings are runc's (libcontainer/capabilities) and containerd's (pkg/oci/spec_opts.go).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(capable, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		added := "a capability"
		if c := p.Spec(); c.SecurityContext != nil && c.SecurityContext.Capabilities != nil {
			added = fmt.Sprintf("the capabilities %v", c.SecurityContext.Capabilities.Add)
			r.facts = append(r.facts, p.CiteSpec("securityContext.capabilities.add", c.SecurityContext.Capabilities.Add))
		}
		return fmt.Sprintf("container %s could not be %s: node %s cannot give it %s: %s", p.About().Container, r.step(), p.NodeName(), added, said(r.text)),
			[]diagnosis.Fix{{Title: "Correct the names in securityContext.capabilities.add, or leave out what the node cannot give"}}
	}),
}
