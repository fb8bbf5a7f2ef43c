// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Nameless recognises a name that no image can have.
var Nameless = &diagnosis.Rule{
	ID:    "IMG102",
	Title: "Image name is not valid",
	Doc: `
The name of the image cannot be parsed, as when a template in it was not filled in, or letters are capital. The kubelet never pulls it and the pod waits with
InvalidImageName; or the image is missing, and the API server refuses the pod.

**How it is told from its look-alikes.** It is the form of the name (github.com/distribution/reference). Whether a registry has the image is not asked.

**What to do.** Correct the name where it is made: the chart's values, the kustomization, the pipeline.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.ImageUnavailable,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		if imageName.MatchString(c.Image) {
			return
		}
		why := fault(c.Image, "")
		if c.Image == "" {
			why = "there is none"
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("image %q of container %s is not a valid image name: %s", c.Image, c.Name, why),
			Facts:      []evidence.Fact{p.CiteSpec("image", c.Image)},
			Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Correct the image name of container %s", c.Name), Risk: diagnosis.Restart}},
		})
	},
}

// imageName is the form of a name with its tag and digest (github.com/distribution/reference, regexp.go): a registry, a path in
// lower case, a tag, a digest.
var imageName = regex.New(`^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?$`)
