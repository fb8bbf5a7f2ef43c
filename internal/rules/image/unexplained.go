// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Unexplained recognises a pull that fails in a way that no other rule knows.
var Unexplained = &diagnosis.Rule{
	ID:    "IMG018",
	Title: "Image cannot be pulled",
	Doc: `
The kubelet cannot pull the image and tries again with growing pauses, up to five minutes. The finding gives the
runtime's own words where there are any that no other rule recognises. Where there are none, the evidence was taken
between two tries: a kubelet before 1.29 then says only "Back-off pulling image", and the Events that had the reason are
not there.

**How it is told from its look-alikes.** It is what remains: a pull whose error names a missing image, a refusal, the
network, TLS, a rate limit, the platform, the disk or a damaged layer has a rule of its own, and this one is silent.

**What to do.** Where the reason is not recorded, look at the pod's Events, which are kept for an hour; or delete the
pod, so that the next one tries at once. The commonest reason is a tag that does not exist.

The messages are written in kubernetes pkg/kubelet/images/image_manager.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(other, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		about := p.About()
		fix := []diagnosis.Fix{{
			Title:   fmt.Sprintf("Read the Events of pod %s: one with the reason Failed says what the registry or the runtime answered", about.Name),
			Command: fmt.Sprintf("kubectl get events -n %s --field-selector involvedObject.name=%s,reason=Failed", about.Namespace, about.Name),
		}}
		if why := short(f.text); why != "" {
			return fmt.Sprintf("image %s of %s cannot be pulled: %s", f.image, f.of, why), fix
		}
		return fmt.Sprintf("image %s of %s cannot be pulled, and what is recorded here does not say why", f.image, f.of), fix
	}),
}
