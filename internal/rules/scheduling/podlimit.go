// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PodLimit recognises a pod for which no node takes one more pod.
var PodLimit = &diagnosis.Rule{
	ID:    "SCH005",
	Title: "Every node runs as many pods as it may",
	Doc: `
A kubelet takes a certain number of pods and no more, whatever room is left: 110 unless maxPods says otherwise, and less
where the network gives a node only so many addresses, as on EKS by the size of the instance. Every node that the pod could
use has reached that number.

**How it is told from its look-alikes.** The scheduler says "Too many pods" and no resource. With "Insufficient cpu" or
memory on more nodes the requests decide (SCH001). A pod that has a node and waits for an address is the network's trouble
and no matter of this number. A quota on pods keeps the pod from being created at all (ADM001).

**What to do.** Add nodes, or larger ones; raise maxPods, or the addresses of each node (prefix delegation on EKS, the size of
the pod range elsewhere); delete pods that are done.

The words are written in kubernetes pkg/scheduler/framework/plugins/noderesources/fit.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != podCount {
			return
		}
		message := fmt.Sprintf("no node takes one more pod, so pod %s waits: %s run as many as they may", p.About().Name, v.on(podCount))
		var facts []evidence.Fact
		if node, most := largest(p.Nodes(), corev1.ResourcePods); node != nil {
			message += ", at most " + most.String()
			facts = append(facts, allocatable(node, string(corev1.ResourcePods)))
		}
		v.report(p, podCount, message, facts, diagnosis.Fix{
			Title:   "Add a node, delete pods that are done, or raise the number of pods of a node (maxPods of the kubelet, addresses of the network)",
			Command: "kubectl get nodes -o custom-columns=NAME:.metadata.name,PODS:.status.allocatable.pods",
		})
	},
}
