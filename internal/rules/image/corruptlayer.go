// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CorruptLayer recognises an image whose content is not what its manifest says.
var CorruptLayer = &diagnosis.Rule{
	ID:    "IMG014",
	Title: "Layer of the image arrives damaged",
	Doc: `
The registry was reached and let the node have the image, but what arrived cannot be used: its digest or size is not
what the manifest says, or it cannot be unpacked. A proxy or cache that serves a truncated layer, a push that broke off,
or a damaged disk.

**How it is told from its look-alikes.** By "unexpected commit digest", "failed size validation", "short read", "invalid
tar header", "failed to register layer" and the like. Where the same error says "no space left on device" the disk is
full (IMG011). An end of file while the manifest is asked for is the network (IMG003).

**What to do.** Pull on another node. If that works remove the partial image on this one and look at its disk and proxy;
if no node can, push the image again.

The strings are those of containerd (core/content, core/unpack), moby (layer, distribution/xfer) and containers/image.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{
		diagnosis.KernelFailed, diagnosis.StorageFull, diagnosis.NetworkFailed, diagnosis.ConfigChanged,
		diagnosis.RolledOut,
	},
	Run: on(corrupt, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		return fmt.Sprintf("image %s of %s arrives damaged on node %s: %s", f.image, f.of, p.NodeName(), short(f.text)), []diagnosis.Fix{{
			Title:   fmt.Sprintf("Pull it on another node: if that works clean node %s and what lies between, else push the image again", p.NodeName()),
			Command: "crictl pull " + f.image,
		}}
	}),
}
