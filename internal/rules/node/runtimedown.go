// SPDX-License-Identifier: Apache-2.0

package node

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RuntimeDown recognises a container runtime that does not answer.
var RuntimeDown = &diagnosis.Rule{
	ID:    "NOD004",
	Title: "Container runtime does not answer",
	Doc: `
The container runtime of the node (containerd, CRI-O, docker) does not answer the kubelet: it does not run, its socket refuses, or it is frozen. Containers that run go on; nothing
is started, stopped, probed by exec or reported, and the node becomes NotReady.

**How it is told from its look-alikes.** By the condition Ready of the kubelet ("container runtime is down", RuntimeReady=false) or by repeated refusals of the socket in its log. A single refusal is a
restart of the runtime and passes. "PLEG is not healthy" without these means that it answers too slowly. A condition Unknown means that the kubelet itself is silent.

**What to do.** Look at the runtime's own log, at disk and memory of the node; restart the runtime, which leaves containers running.

The words are in kubernetes pkg/kubelet/runtime.go. Recorded from Kubernetes 1.37 with a frozen containerd.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Also:     evidence.Host | evidence.Spec | evidence.Status,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.DeviceFailed, diagnosis.NodeSaturated, diagnosis.NodePressure, diagnosis.StorageFull},
	Run: func(p *diagnosis.Pass) {
		facts, refused := says(p, runtimeGone...), troubles(p, "runtime-down")
		if len(refused) >= manyRefusals {
			facts = append(facts, refused...)
		}
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: "the container runtime of " + nodeName(p) + " does not answer: nothing can be started or stopped there",
			Fixes:   look("See what the runtime says of itself, and restart it", "systemctl status containerd; journalctl -u containerd -n 50; systemctl restart containerd"),
		})
	},
}

// manyRefusals is how many refusals of the socket are more than a restart: the kubelet tries again each second or so.
const manyRefusals = 3

// runtimeGone are the words of a kubelet that has no runtime.
var runtimeGone = []string{"container runtime is down", "container runtime not ready", "container runtime status check may not have completed", "runtime not ready: RuntimeReady=false", "RuntimeReady=false"}
