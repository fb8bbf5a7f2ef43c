// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NeverPull recognises an image that is not on the node and must not be pulled.
var NeverPull = &diagnosis.Rule{
	ID:    "IMG005",
	Title: "Image is not on the node and may not be pulled",
	Doc: `
The container's imagePullPolicy is Never, and its image is not in the image store of the node. The kubelet asks no
registry and waits with the reason ErrImageNeverPull until somebody puts the image there.

**How it is told from its look-alikes.** The reason is the kubelet's own. No pull was tried, so nothing is known about
the registry: ErrImagePull and ImagePullBackOff (IMG001 to IMG003) follow from a pull that failed. The same pod may run
on another node that has the image. With the feature KubeletEnsureSecretPulledImages the kubelet writes the same for an
image that is there but was pulled with credentials that this pod does not have.

**What to do.** Let the node pull the image, or load it on every node that the pod may run on. Images that were loaded
by hand also disappear by the kubelet's image garbage collection.

The reason and the message are written in kubernetes pkg/kubelet/images/image_manager.go,
imageNotPresentOnNeverPolicyError; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		image, waiting, ok := waits(p, "ErrImageNeverPull")
		if !ok {
			return
		}
		container, node := p.About().Container, p.NodeName()
		fix := pullIfNotPresent(p, fmt.Sprintf("Let the node pull the image of container %s where it does not have it", container))
		p.Report(diagnosis.Finding{
			At: began(p), Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("image %s of container %s is not on node %s, and imagePullPolicy Never forbids to pull it", image, container, node),
			Facts:   []evidence.Fact{waiting, p.CiteSpec("image", image), p.CiteSpec("imagePullPolicy", "Never")},
			Fixes:   []diagnosis.Fix{fix, {Title: fmt.Sprintf("Load image %s on node %s", image, node)}},
		})
	},
}
