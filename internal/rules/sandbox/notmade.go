// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NotMade recognises a sandbox that cannot be made in a way that no other rule knows.
var NotMade = &diagnosis.Rule{
	ID:    "SBX013",
	Title: "Sandbox of the pod cannot be made",
	Doc: `
Before any container of the pod, the runtime makes its sandbox: the pause process, its namespaces and its network. It
failed, and the kubelet tries again. The finding gives the last part of the runtime's message.

**How it is told from its look-alikes.** It is what remains: addresses, a plugin that is missing, down or not accepted,
the pause image, host ports, a time-out and the runtime class have rules of their own. A pod whose sandbox is made and
whose container fails has ErrImagePull or CreateContainerError. A pod that waits for a volume has no such Event.

**What to do.** Read the last part of the message. If other pods of the node start, it is about this pod's spec; if none
do, it is the node's network plugin, runtime or kernel.

The Event is written in kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Status | evidence.Events,
	Effect: diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.NetworkFailed, diagnosis.RuntimeFailed, diagnosis.NodeLost,
		diagnosis.NodeSaturated, diagnosis.StorageFull, diagnosis.KernelFailed,
	},
	Run: on(other, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		return fmt.Sprintf("node %s cannot make the sandbox of pod %s: %s", p.NodeName(), p.About().Name, said(f.text)), []diagnosis.Fix{{
			Title: fmt.Sprintf("See whether other pods start on node %s: if none do mend its network plugin or runtime, else what the message names", p.NodeName()), Command: onNode(p),
		}}
	}),
}
