// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CreateTimeout recognises a container that the runtime takes too long to make.
var CreateTimeout = &diagnosis.Rule{
	ID:    "CRT001",
	Title: "Runtime does not finish creating the container",
	Doc: `
The kubelet asked the runtime to create or start the container and had no answer in time (2 minutes by default,
runtimeRequestTimeout). The runtime goes on with the first request, and refuses every new one because the name of the
container is taken: "failed to reserve container name", "name is reserved", "already in use".

**How it is told from its look-alikes.** By "context deadline exceeded" or a reserved name with CreateContainerError or
RunContainerError. The reserved name is a consequence: nothing is wrong with the name. The same words for the sandbox
are in the Event FailedCreatePodSandBox, before there is any container. A pull that is given up has ErrImagePull.

**What to do.** Look at the node: a slow or saturated disk (many pods starting at once, large images being unpacked), a
volume that hangs, a runtime that is stuck. Mostly it resolves itself when the first request ends; if it does not within
minutes, restart the runtime on that node.

The wordings are those of containerd internal/cri/server/container_create.go, CRI-O server/container_create.go and moby
daemon/names.go.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{
		diagnosis.RuntimeFailed, diagnosis.NodeSaturated, diagnosis.KernelFailed, diagnosis.VolumeFailed,
		diagnosis.NodePressure,
	},
	Run: on(slow, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		what := "has not answered in time"
		if !strings.Contains(r.text, "context ") {
			what = "is still busy with an earlier try, which holds the container's name"
		}
		return fmt.Sprintf("container %s is not %s: the runtime of node %s %s", p.About().Container, r.step(), p.NodeName(), what), []diagnosis.Fix{{
			Title:   fmt.Sprintf("Look for a slow disk, a hanging mount or a stuck runtime on node %s; restart the runtime there if this lasts for minutes", p.NodeName()),
			Command: fmt.Sprintf("kubectl get pods -A -o wide --field-selector spec.nodeName=%s", p.NodeName()),
		}}
	}),
}
