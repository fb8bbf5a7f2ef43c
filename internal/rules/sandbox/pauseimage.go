// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// PauseImage recognises a node that cannot get the image which every sandbox is made of.
var PauseImage = &diagnosis.Rule{
	ID:    "SBX006",
	Title: "Pause image cannot be had",
	Doc: `
Every sandbox runs a tiny image of its own, which the runtime names (containerd sandbox image, CRI-O pause_image,
dockershim pod-infra-container-image). The node does not have it and cannot pull it, so no pod starts there, whatever
its own images. It is missing on new nodes without a way to the registry, and after a clean-up that removed it.

**How it is told from its look-alikes.** By the sandbox or pause image in the newest FailedCreatePodSandBox Event. The
pod's own images are pulled later, with ErrImagePull on a container. What the pull failed on stands at the end of the
message, and the node's network and the runtime's configuration count, no secret of the pod.

**What to do.** Let the node reach that registry, or set the runtime's sandbox image to one it can reach, or load it on
the node. registry.k8s.io has taken the place of k8s.gcr.io: an old configuration may name the old one.

The wordings are those of containerd internal/cri/server/podsandbox, dockershim docker_sandbox.go and, as CRI-O passes it on
without a name, containers/storage errors.go (ErrImageUnknown).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Status | evidence.Events,
	Effect: diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.NetworkFailed, diagnosis.NameUnresolved, diagnosis.CertExpired, diagnosis.NodePressure,
		diagnosis.StorageFull,
	},
	Run: on(pause, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		image, command := "the pause image", "crio config | grep pause_image; crictl images"
		if m := pauseName.FindStringSubmatch(f.text); m != nil {
			image, command = "pause image "+m[1], "crictl pull "+m[1]
		}
		why := f.text[strings.LastIndex(f.text, `": `)+1:]
		return fmt.Sprintf("node %s can make no sandbox for pod %s: it cannot get %s: %s", p.NodeName(), p.About().Name, image, said(strings.TrimPrefix(why, ": "))),
			[]diagnosis.Fix{{
				Title:   fmt.Sprintf("Let node %s reach the registry of %s, or set the runtime's sandbox image to one that it can reach", p.NodeName(), image),
				Command: command,
			}}
	}),
}

var pauseName = regex.New(`(?:sandbox image|pulling image|pull image|docker://) ?\\?"?([^"\s\\]+)`)
