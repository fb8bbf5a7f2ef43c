// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ImageStore recognises a damaged store of images and layers.
var ImageStore = &diagnosis.Rule{
	ID:    "NOD015",
	Title: "Image store of the node is damaged",
	Doc: `
The runtime misses layers or contents that its own records say are there, or cannot put them together: after a power cut, a full disk or files that were removed by hand. Containers of images that use
those layers cannot be created on this node, and start elsewhere.

**How it is told from its look-alikes.** By the runtime's words about a layer, a snapshot, a content digest or an overlay mount. An image that the registry does not have is "not found" with its name. A disk that is full says
"no space left on device", and comes first.

**What to do.** Remove the image on that node and let it be pulled again; if that does not help, drain the node and empty the runtime's directory.

The words are those of containerd (content and snapshot stores), of docker's layer store and of the kernel's overlayfs.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Events,
	Also:     evidence.Host | evidence.Node | evidence.Spec | evidence.Status,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.DeviceFailed, diagnosis.KernelFailed, diagnosis.StorageFull},
	Run: func(p *diagnosis.Pass) {
		facts := podEvents(p, func(_ *corev1.Pod, e evidence.Event) bool {
			return holds(e.Message, damaged...) && !holds(e.Message, "no space left on device")
		}, "Failed", "FailedCreatePodSandBox", "InspectFailed")
		facts = append(facts, troubles(p, "overlay-corrupt")...)
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain - confidenceLess(facts), Facts: slices.Concat(few(facts), held(p, facts)),
			Message: fmt.Sprintf("the image store of %s is damaged: layers are missing or cannot be mounted, so containers cannot be created from them there", nodeName(p)),
			Fixes: []diagnosis.Fix{
				{Title: "Remove the image on that node, so that it is pulled again", Command: "crictl rmi IMAGE"},
				{Title: "Drain " + nodeName(p) + " and empty the runtime's directory", Risk: diagnosis.Evict, Command: "kubectl drain " + p.About().Name + " --ignore-daemonsets --delete-emptydir-data"},
			},
		})
	},
}

// damaged are the words about contents that should be there and are not.
var damaged = []string{
	"layer does not exist", "failed to mount overlay", "error creating overlay mount", "failed to register layer", "failed to mount rootfs component",
	"content digest", "parent snapshot",
}
