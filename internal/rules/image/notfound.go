// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NotFound recognises an image that its registry does not have.
var NotFound = &diagnosis.Rule{
	ID:    "IMG001",
	Title: "Image does not exist in its registry",
	Doc: `
The registry was reached, and it answered that it has no such repository, tag or digest. The container waits with
ErrImagePull and, between two tries, ImagePullBackOff. It will wait until the image is there or its name is corrected.

**How it is told from its look-alikes.** Only the words of the pull error tell: "not found", "manifest unknown" or
HTTP 404. A registry that was never reached (no such host, refused, time-out) has said nothing about the image: that is
IMG003, even where tools call it a missing repository. A registry that wants credentials first (401, 403, pull access
denied) is IMG002, and may hide that the image does not exist. An image that exists, but not for the node's architecture
("no match for platform"), is IMG009.

**What to do.** Compare repository and tag with what the build pushed; a tag may have been misspelt, never pushed, or
removed by the registry's clean-up.

The strings are containerd's, recorded from Kubernetes 1.37 with containerd 2.4, and the error codes of the OCI
distribution specification. A kubelet that does not repeat the error while it backs off leaves it in the Failed Event;
the finding is then only likely.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		f, _ := failedPull(p)
		if f.why != missing {
			return
		}
		fix := diagnosis.Fix{Title: fmt.Sprintf("Push the image, or give %s one that exists", f.of)}
		if c := p.Spec(); c.Image == f.image {
			fix.Command = setImage(p, f.image)
		}
		f.report(p, fmt.Sprintf("image %s of %s does not exist in registry %s", f.image, f.of, registry(f.image)), fix)
	},
}

// setImage returns the command that gives the pass's container another tag of the same repository.
func setImage(p *diagnosis.Pass, image string) string {
	repository, _, _ := strings.Cut(image, "@")
	if slash, colon := strings.LastIndex(repository, "/"), strings.LastIndex(repository, ":"); colon > slash {
		repository = repository[:colon]
	}
	workload, _ := p.Workload()
	return fmt.Sprintf("kubectl set image -n %s %s %s=%s:TAG", workload.Namespace, workload, p.About().Container, repository)
}
