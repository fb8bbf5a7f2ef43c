// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// InspectFailed recognises a node that cannot tell which images it has.
var InspectFailed = &diagnosis.Rule{
	ID:    "IMG008",
	Title: "Runtime cannot read its image store",
	Doc: `
Before it pulls, the kubelet asks the runtime whether it has the image, and the runtime answers with an error: its image
store on that node is damaged, is locked, or the runtime does not answer in time. The container waits with
ImageInspectError; no registry was asked.

**How it is told from its look-alikes.** By the kubelet's own reason. A name that cannot be parsed is InvalidImageName
(IMG004), also where CRI-O only finds out on inspection that a short name has no registry. A pull that failed is
ErrImagePull. The same image works on other nodes: the damage is the node's.

**What to do.** Look at the runtime on that node (its log, and whether its disk is full or read-only). Where the image
is damaged remove it there (crictl rmi) and let it be pulled again; where more images are, restart the runtime, then
replace the node.

The reason is ErrImageInspect in kubernetes pkg/kubelet/images/types.go, the message is written in image_manager.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.RuntimeFailed, diagnosis.StorageFull, diagnosis.KernelFailed, diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		image, waiting, ok := waits(p, "ImageInspectError")
		if !ok || classify(waiting.Text, image) == unqualified {
			return
		}
		node := p.NodeName()
		p.Report(diagnosis.Finding{
			At: began(p), Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("the runtime of node %s cannot look up image %s of container %s in its own store: %s", node, image, p.About().Container, short(waiting.Text)),
			Facts:   []evidence.Fact{waiting, p.CiteSpec("image", image)},
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("Remove image %s on node %s and let it be pulled again; if others fail too, restart the runtime there", image, node),
				Command: "crictl rmi " + image,
			}},
		})
	},
}
