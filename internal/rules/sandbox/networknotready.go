// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NetworkNotReady recognises a node whose runtime has no network configuration.
var NetworkNotReady = &diagnosis.Rule{
	ID:    "SBX002",
	Title: "Network plugin is not set up on the node",
	Doc: `
The runtime on the node finds no network configuration, so it can make no sandbox with an address of its own. The
plugin's own pod writes it (below /etc/cni/net.d) when it starts on the node: it has not started yet, cannot start, was
removed, or wrote somewhere else. Only pods with hostNetwork start, the plugin's among them.

**How it is told from its look-alikes.** By "cni plugin not initialized", "cni config uninitialized" or "no networks
found" in the Event NetworkNotReady or FailedCreatePodSandBox. Where the node's own condition Ready says the same, it is
certain. A configuration whose program is missing, or that finds its agent down, gives other words. On a node that has
just joined it is normal for a minute.

**What to do.** Look at the plugin's pod on that node, its init containers first. If there is none: the DaemonSet does
not select the node, or does not tolerate its taints; or the cluster has no network plugin yet.

The words are those of containerd go-cni and ocicni; the Event is written in kubernetes pkg/kubelet/kubelet.go. Recorded
from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Node,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.RuntimeFailed, diagnosis.NodeLost},
	Run: func(p *diagnosis.Pass) {
		f := failed(p)
		if f.why != notReady {
			return
		}
		sure := diagnosis.Likely
		if ready, _ := p.CiteNodeCondition(corev1.NodeReady); classify(ready.Text) == notReady {
			sure = diagnosis.Certain
			f.facts = append(f.facts, ready)
		}
		p.Report(diagnosis.Finding{
			At: f.at, Confidence: sure, Facts: f.facts,
			Message: fmt.Sprintf("pod %s gets no network: no network plugin is set up on node %s", p.About().Name, p.NodeName()),
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("See why the network plugin's own pod does not run on node %s", p.NodeName()), Command: onNode(p) + " | grep -E 'kube-system|network|cni|calico|cilium|flannel'",
			}},
		})
	},
}
