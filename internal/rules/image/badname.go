// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BadName recognises an image name that no registry can be asked for.
var BadName = &diagnosis.Rule{
	ID:    "IMG004",
	Title: "Image name is not valid",
	Doc: `
The image field cannot be read as an image name, so nothing was asked of any registry. The container waits with the
reason InvalidImageName. Common faults: capitals in the repository, a space, an empty tag after the colon, a template or
variable that nobody filled in. CRI-O wants to know the registry, too: a short name without one is refused where the
node names no default (unqualified-search registries) or more than one.

**How it is told from its look-alikes.** The kubelet itself gives the reason InvalidImageName before it pulls. A name
that is valid and wrong gets as far as the registry and fails there with ErrImagePull: IMG001 if it does not exist,
IMG003 if the first part was taken for a host that there is none of.

**What to do.** Correct the name where the pods are made: the chart's values, the kustomization, the pipeline that
writes the tag.

The reason is ErrInvalidImageName in kubernetes pkg/kubelet/images/types.go; the wording after it is that of
github.com/distribution/reference, recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		image, waiting, _ := waits(p, "InvalidImageName", "ErrImagePull", "ImagePullBackOff", "ImageInspectError")
		if !strings.HasPrefix(waiting.Text, "reason InvalidImageName") && classify(waiting.Text, image) != unqualified {
			return
		}
		container := p.About().Container
		p.Report(diagnosis.Finding{
			At: began(p), Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("image %q of container %s is not a valid image name: %s", image, container, fault(image, waiting.Text)),
			Facts:   []evidence.Fact{waiting, p.CiteSpec("image", image)},
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("Correct the image name of container %s", container),
				Command: setImage(p, "REPOSITORY"),
			}},
		})
	},
}

// fault says what is wrong with the name: a template that was left in it, or what the parser says.
func fault(image, text string) string {
	if classify(text, image) == unqualified {
		return "it has no registry, and the node's runtime knows no single one to take"
	}
	for _, mark := range []string{"{{", "${", "$(", "%("} {
		if strings.Contains(image, mark) {
			return "a template in it was not filled in"
		}
	}
	if _, why, ok := strings.Cut(text, "invalid reference format: "); ok {
		return why
	}
	return "it cannot be parsed"
}
