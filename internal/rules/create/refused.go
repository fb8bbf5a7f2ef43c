// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Refused recognises a container that the runtime refuses in a way that no other rule knows.
var Refused = &diagnosis.Rule{
	ID:    "CRT002",
	Title: "Runtime cannot create or start the container",
	Doc: `
The container has its image and its configuration, and the runtime failed to make it or to start its process. The
finding gives the last part of the runtime's message, which names the step and the error of the kernel; what comes
before are the layers that passed it on.

**How it is told from its look-alikes.** It is what remains: a command that is not there, a mount, a security profile, a
device, a cgroup, a full disk or a time-out has a rule of its own, and this one is silent. Of a program that was started
and then ended by itself the runtime says nothing.

**What to do.** Read the last part of the message. If other pods of the node start, it is about this container's spec;
if none do, it is the node's runtime or kernel.

The reasons are in kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (CreateContainerError) and
pkg/kubelet/container/sync_result.go (RunContainerError); StartError is containerd's, ContainerCannotRun dockershim's.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{
		diagnosis.RuntimeFailed, diagnosis.NodeSaturated, diagnosis.KernelFailed, diagnosis.OutOfMemory, diagnosis.MemoryMisfit,
		diagnosis.ConfigChanged, diagnosis.RolledOut,
	},
	Run: func(p *diagnosis.Pass) {
		r, ok := refused(p)
		if !ok || r.reason == "CreateContainerConfigError" || r.made && r.text == "" {
			return
		}
		if why := classify(r.text); why != other && (why != arguments || r.made) {
			return
		}
		message := fmt.Sprintf("container %s could not be %s", p.About().Container, r.step())
		if why := said(r.text); why != "" {
			message += ": " + why
		} else {
			message += ", and what is recorded here does not say why"
		}
		r.report(p, message, diagnosis.Fix{
			Title:   fmt.Sprintf("See whether other pods start on node %s: if none do mend its runtime, else what the message names", p.NodeName()),
			Command: fmt.Sprintf("kubectl get pods -A -o wide --field-selector spec.nodeName=%s", p.NodeName()),
		})
	},
}
