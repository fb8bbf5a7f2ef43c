// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Outdated recognises an image in the schema of 2014.
var Outdated = &diagnosis.Rule{
	ID:    "IMG015",
	Title: "Image is in a format that the runtime gave up",
	Doc: `
The image's manifest is of Docker's schema 1, which runtimes no longer read: containerd since 2.1 (and 2.0 unless told
to), docker since 28, CRI-O long before. It was pulled without trouble until the node's runtime was upgraded.

**How it is told from its look-alikes.** By "schema 1" or "is no longer supported since containerd" in the pull error.
The registry has the image, and credentials are good. An artifact that is not an image at all has another media type.

**What to do.** Build the image again, or copy it into the present format (skopeo copy --format v2s2, or docker pull and
push with a docker before 28), and refer to the copy.

The wording is that of containerd client/pull.go and core/remotes/docker/schema1, and of moby distribution.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events | evidence.Node,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.RolledOut, diagnosis.ConfigChanged, diagnosis.RuntimeFailed},
	Run: on(outdated, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		runtime := "the runtime of node " + p.NodeName()
		if node := p.Node(); node != nil {
			runtime += " (" + node.Status.NodeInfo.ContainerRuntimeVersion + ")"
		}
		return fmt.Sprintf("image %s of %s is of the old Docker schema 1, which %s does not read", f.image, f.of, runtime), []diagnosis.Fix{{
			Title:   "Build the image again, or copy it into the present format and refer to the copy",
			Command: fmt.Sprintf("skopeo copy --format v2s2 docker://%s docker://REGISTRY/REPOSITORY:TAG", f.image),
		}}
	}),
}
