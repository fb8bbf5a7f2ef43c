// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Sandboxes recognises a node that is ready and can start nothing.
var Sandboxes = &diagnosis.Rule{
	ID:    "NOD005",
	Title: "Node is ready and creates no pods",
	Doc: `
Every new pod on the node fails when its sandbox is to be created, while the node says that it is ready: the runtime answers questions and cannot create. Pods keep being
scheduled there, because nothing in the node's status speaks against it.

**How it is told from its look-alikes.** By FailedCreatePodSandBox Events of at least three pods on one node lately, none of which has a sandbox since. One pod alone has a reason of its own: its runtime class, its
network. If the pod network fails on every node, it is not this node.

**What to do.** Cordon the node, so that pods go elsewhere; read what the Events say; restart the runtime, or the network plugin if it is named.

The Events are written in kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Events | evidence.Status,
	Also:     evidence.Spec,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.NetworkFailed, diagnosis.NodeSaturated, diagnosis.StorageFull},
	Run: func(p *diagnosis.Pass) {
		facts := podEvents(p, func(e evidence.Event) bool { return !hasSandbox(p, e.About.Object()) }, "FailedCreatePodSandBox")
		if len(facts) < manyPods {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: few(facts),
			Message: fmt.Sprintf("%s creates no pods: the sandboxes of %d of them fail there", nodeName(p), len(facts)),
			Fixes: []diagnosis.Fix{
				{Title: "Cordon " + nodeName(p) + ", so that new pods go elsewhere", Command: "kubectl cordon " + p.About().Name},
				{Title: "Restart the runtime, or the network plugin where the Events name it", Command: "systemctl restart containerd"},
			},
		})
	},
}

// manyPods is how many pods in the same trouble make it the node's.
const manyPods = 3

// hasSandbox tells whether a container of the pod runs, for which it needs a sandbox.
func hasSandbox(p *diagnosis.Pass, ref evidence.Ref) bool {
	pod, ok := p.Object(ref).(*corev1.Pod)
	if !ok {
		return true
	}
	for _, st := range pod.Status.ContainerStatuses {
		if st.State.Running != nil {
			return true
		}
	}
	return false
}
