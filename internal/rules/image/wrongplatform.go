// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// WrongPlatform recognises an image that its registry does not have for the node.
var WrongPlatform = &diagnosis.Rule{
	ID:    "IMG009",
	Title: "Image is not built for the platform of the node",
	Doc: `
The registry has the image, but none for the operating system and architecture of this node. A multi-platform image
lists what it is built for, and the node's platform is not on the list; a rebuild on a developer's machine is often for
that machine alone.

**How it is told from its look-alikes.** By "no match for platform in manifest" (containerd), "no matching manifest for"
(docker) or "no image found in image index" (CRI-O). containerd adds "not found", but the image exists: IMG001 is for
those that do not. An image for another architecture without a list is pulled, and then its program cannot be run: "exec
format error". The same image starts on nodes of the other architecture.

**What to do.** Build it for the node's platform too (docker buildx build --platform), or keep the pod to nodes that it
is built for.

The strings are those of containerd core/images (errors of Manifest), moby distribution/pull_v2.go and containers/image.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events | evidence.Node,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(platform, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		has, arch := "the platform of node "+p.NodeName(), "ARCH"
		if node := p.Node(); node != nil {
			arch = node.Status.NodeInfo.Architecture
			has = fmt.Sprintf("%s/%s, which node %s is", node.Status.NodeInfo.OperatingSystem, arch, node.Name)
			f.facts = append(f.facts, evidence.Fact{
				Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(node),
				Where: "status.nodeInfo.architecture", Text: "architecture " + arch,
			})
		}
		return fmt.Sprintf("image %s of %s is in its registry, but not for %s", f.image, f.of, has),
			[]diagnosis.Fix{
				{Title: "Build the image for that platform too", Command: "docker buildx build --platform linux/" + arch + " -t " + f.image + " --push ."},
				{Title: "Keep the pod to nodes of an architecture that the image is built for, by a nodeSelector on kubernetes.io/arch"},
			}
	}),
}
