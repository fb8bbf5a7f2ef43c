// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// TagMoves recognises an image that may be another tomorrow.
var TagMoves = &diagnosis.Rule{
	ID:    "IMG101",
	Title: "Image has no fixed tag",
	Doc: `
The image has the tag latest, or none, which means the same. What runs depends on when a node last pulled it: a restart or a new node brings another
program than the one that was tested, replicas differ, and there is nothing to roll back to.

**How it is told from its look-alikes.** A digest fixes the image whatever the tag says. Other tags may move as well, which cannot be seen in a manifest.

**What to do.** Name the version, and better its digest.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.ImageUnavailable,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		name, _, fixed := strings.Cut(c.Image, "@")
		last := name[strings.LastIndexByte(name, '/')+1:]
		_, tag, tagged := strings.Cut(last, ":")
		if fixed || c.Image == "" || tagged && tag != "latest" {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("image %s of container %s has no fixed tag: a restart may bring another program", c.Image, c.Name),
			Facts:      []evidence.Fact{p.CiteSpec("image", c.Image)},
			Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Name the version of image %s, or its digest", name), Risk: diagnosis.Restart}},
		})
	},
}
