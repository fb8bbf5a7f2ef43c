// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"

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

**How it is told from its look-alikes.** By FailedCreatePodSandBox Events of at least three pods on one node lately, none of which has a sandbox since, while no other pod got one. One pod alone, or pods beside others that start, have a reason of their own: their runtime class, their
network. Where the node's agent makes a sandbox of its own now and then, two failures of that, or one beside a pod's, are proof, and a success since ends it. If the pod network fails on every node, it is not this node.

**What to do.** Cordon the node, so that pods go elsewhere; read what the Events say; restart the runtime, or the network plugin if it is named.

The Events are written in kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Events | evidence.Status,
	Also:     evidence.Spec | evidence.Host,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.NetworkFailed, diagnosis.NodeSaturated, diagnosis.StorageFull},
	Run: func(p *diagnosis.Pass) {
		facts := podEvents(p, func(pod *corev1.Pod, _ evidence.Event) bool { return !hasSandbox(pod) }, "FailedCreatePodSandBox")
		tried := canaries(p)
		many := len(facts) >= manyPods && !startsOthers(p, facts)
		if !many && len(tried)+min(len(facts), 1) < manyCanaries || !many && len(tried) == 0 {
			return
		}
		f := diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: few(append(few(tried), facts...)),
			Message: fmt.Sprintf("%s creates no pods: the sandboxes of %d of them fail there", nodeName(p), len(facts)),
			Fixes: []diagnosis.Fix{
				{Title: "Cordon " + nodeName(p) + ", so that new pods go elsewhere", Command: "kubectl cordon " + p.About().Name},
				{Title: "Restart the runtime, or the network plugin where the Events name it", Command: "systemctl restart containerd"},
			},
		}
		if len(tried) > 0 {
			f.Confidence, f.Message = diagnosis.Certain, fmt.Sprintf("%s creates no pods: its agent tries, and %s", nodeName(p), tried[len(tried)-1].Text)
		}
		p.Report(f)
	},
}

// manyCanaries is how often in a row the agent's own try must have failed, where no pod of the node fails.
const manyCanaries = 2

// canaries returns the agent's own tries to make a sandbox that failed, since the last one that did not, and lately.
func canaries(p *diagnosis.Pass) []evidence.Fact {
	var failed []evidence.Fact
	for _, f := range heard(p, "canary", "canary-failed") {
		if f.Name == "canary" {
			failed = nil
			continue
		}
		failed = append(failed, f)
	}
	if len(failed) == 0 || p.Now().Sub(failed[len(failed)-1].At) > lately {
		return nil
	}
	return failed
}

// manyPods is how many pods in the same trouble make it the node's.
const manyPods = 3

// hasSandbox tells whether a container of the pod runs or ran, for which it needs a sandbox.
func hasSandbox(pod *corev1.Pod) bool {
	st := &pod.Status
	return slices.ContainsFunc(slices.Concat(st.InitContainerStatuses, st.ContainerStatuses), func(c corev1.ContainerStatus) bool { return c.State.Waiting == nil })
}

// startsOthers tells whether the node took a pod after one of these failures and made its sandbox, with a network of its own.
func startsOthers(p *diagnosis.Pass, failed []evidence.Fact) bool {
	first := slices.MinFunc(failed, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	return slices.ContainsFunc(podsOn(p), func(pod *corev1.Pod) bool {
		return hasSandbox(pod) && !pod.Spec.HostNetwork && pod.Status.StartTime != nil && pod.Status.StartTime.After(first.At)
	})
}
