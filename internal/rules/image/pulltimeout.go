// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PullTimeout recognises a pull that takes too long.
var PullTimeout = &diagnosis.Rule{
	ID:    "IMG012",
	Title: "Pull was given up before it was done",
	Doc: `
The registry answers, the image exists, and the pull is still cancelled: no byte came for as long as the runtime waits
(containerd image_pull_progress_timeout, 5 minutes; dockerd by the kubelet, 1 minute), or the call took longer than the
kubelet allows. A large image over a thin line, a registry or proxy that stalls, or a disk that unpacks slowly.

**How it is told from its look-alikes.** By "context deadline exceeded" or "context canceled" with no network error
before it. A connection that could not be made (dial, i/o timeout, TLS handshake), or a registry that does not even say
whether it has the image ("failed to resolve"), is IMG003: there nothing came at all. A slow pull that is still at work
has no error.

**What to do.** See whether other images come quickly to this node: if so it is this image's size or its registry; if
not the node's network or disk. Then make the image smaller, bring the registry nearer, or load large images on the
nodes beforehand.

Recorded wordings are those of gRPC and Go's context; the time-outs are in containerd plugins/cri
(image_pull_progress_timeout) and the kubelet's configuration (runtimeRequestTimeout, image-pull-progress-deadline of
old).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{
		diagnosis.NetworkFailed, diagnosis.NodeSaturated, diagnosis.RuntimeFailed, diagnosis.ConfigChanged,
		diagnosis.RolledOut,
	},
	Run: on(timedOut, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		return fmt.Sprintf("the pull of image %s of %s from %s was given up on node %s because it did not get on",
				f.image, f.of, registry(f.image), p.NodeName()), []diagnosis.Fix{{
				Title:   fmt.Sprintf("Time a pull on node %s: another image that is slow too means its network or disk, else this image or its registry", p.NodeName()),
				Command: "time crictl pull " + f.image,
			}}
	}),
}
