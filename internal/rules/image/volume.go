// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Volume recognises an image that was pulled and cannot be mounted as a volume.
var Volume = &diagnosis.Rule{
	ID:    "IMG016",
	Title: "Image volume cannot be mounted",
	Doc: `
A volume of the pod is made of an image. The image was pulled, and the runtime cannot mount it into the container: its
snapshotter does not support it, the subPath is not in the image or is a file, or the artifact has no layers to mount.
The container waits with CreateContainerError.

**How it is told from its look-alikes.** By ImageVolumeMountFailed at the beginning of the message, which the runtimes
write for this alone. An image of a volume that cannot be pulled makes the container wait with ErrImagePull, as its own
image would: IMG001 to IMG003 then name the volume's image. A runtime without image volumes says nothing of the kind.

**What to do.** Compare subPath with the directories in the image; mount a directory, not a file. Push an artifact as an
image with a layer. Otherwise look at the versions: containerd from 2.1, CRI-O from 1.31, Kubernetes 1.33.

The code is ErrImageVolumeMountFailed in cri-api pkg/errors; containerd writes it in internal/cri/server
(container_image_mount.go), CRI-O in server/container_create.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		_, waiting, _ := waits(p, "CreateContainerError", "CreateContainerConfigError", "RunContainerError")
		if !strings.Contains(waiting.Text, "ImageVolumeMountFailed") {
			return
		}
		f := diagnosis.Finding{At: began(p), Confidence: diagnosis.Certain, Facts: []evidence.Fact{waiting}}
		what := "an image volume"
		for _, v := range p.PodSpec().Volumes {
			if v.Image != nil {
				what = fmt.Sprintf("image %s as volume %s", v.Image.Reference, v.Name)
				f.Facts = append(f.Facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
					Where: "spec.volumes[" + v.Name + "].image.reference", Text: "reference " + v.Image.Reference,
				})
			}
		}
		_, why, _ := strings.Cut(waiting.Text, "ImageVolumeMountFailed")
		f.Message = fmt.Sprintf("node %s cannot mount %s into container %s: %s", p.NodeName(), what, p.About().Container, short(storePath.ReplaceAllString(strings.TrimLeft(why, ": "), "")))
		f.Fixes = []diagnosis.Fix{{Title: "Compare the subPath of the mount with the directories in the image, and the runtime's version with what image volumes need"}}
		p.Report(f)
	},
}

// storePath is where in the runtime's own store an image was to be mounted, which helps nobody.
var storePath = regex.New(` in "/[^"]+"`)
