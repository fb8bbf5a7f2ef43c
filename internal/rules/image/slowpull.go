// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SlowPull recognises a pod that waits because its image takes long.
var SlowPull = &diagnosis.Rule{
	ID:    "IMG013",
	Title: "Image is still being pulled",
	Doc: `
The kubelet has begun to pull the image and has not reported an end: neither that it was pulled nor that it failed. On a
node that is new, or that never ran this image, a large image takes minutes, and by default a kubelet pulls one image at
a time, so that a small one waits behind a large one. It explains why a pod is Pending; it never explains a restart.

**How it is told from its look-alikes.** The newest Event of the container about its image is Pulling, more than 2
minutes old, and the container waits with ContainerCreating. A pull that failed has a Failed Event after it. A pod that
waits for its volumes or its sandbox has no Pulling Event yet. A pull that is over says in its Pulled Event how long it
took, and is no trouble any more.

**What to do.** Wait, if the image is large: the Pulled Event will tell how long it took, alone and with waiting. Let
the kubelet pull in parallel (serializeImagePulls: false), make the image smaller, or keep it on nodes that are about to
be used.

The Events are written in kubernetes pkg/kubelet/images/image_manager.go (pullImage); recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.NodeSaturated, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		image, waiting, ok := waits(p, "ContainerCreating", "PodInitializing")
		events := p.Events("Pulling", "Pulled", "Failed", "BackOff")
		if !ok || len(events) == 0 {
			return
		}
		newest := events[len(events)-1]
		since := p.Now().Sub(newest.Last)
		if newest.Reason != "Pulling" || newest.About.Container != p.About().Container || since < slow {
			return
		}
		p.Report(diagnosis.Finding{
			At: newest.Last, Confidence: diagnosis.Likely, Facts: []evidence.Fact{newest.Fact(), waiting},
			Message: fmt.Sprintf("image %s of container %s has been pulling on node %s for %s", image, p.About().Container, p.NodeName(), since.Round(time.Second)),
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("See what else node %s is pulling: by default it pulls one image after the other", p.NodeName()),
				Command: "kubectl get events -A --field-selector reason=Pulling",
			}},
		})
	},
}

// slow is how long a pull may take before it is worth a word: twice what a pod may be pending before it counts as
// troubled.
const slow = 2 * time.Minute
