// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PluginDown recognises a network plugin whose agent on the node is down.
var PluginDown = &diagnosis.Rule{
	ID:    "SBX012",
	Title: "Agent of the network plugin does not answer on the node",
	Doc: `
The plugin's program asks an agent on the same node, or the API server, and gets no answer: a socket that is not there
(cilium), a file that the agent writes when it is ready (calico's nodename, flannel's subnet.env, multus' readiness
file), a local port (aws-node 50051), a port binding that the agent does not make (ovn-kubernetes). The agent's pod on
this node is not running, is starting, or is itself cut off.

**How it is told from its look-alikes.** By the socket, file or port in the newest FailedCreatePodSandBox Event. A node
without any network configuration says "not initialized". Credentials that are not accepted say unauthorized. It is all
pods of the node that are not on the host's network.

**What to do.** Look at the plugin's pod on that node: why does it not run, and what does its log say? On a node that
has just booted wait a minute.

The wordings are those of the plugins named.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.RuntimeFailed, diagnosis.NodeLost},
	Run: on(down, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		return fmt.Sprintf("pod %s gets no network: what network plugin%s asks does not answer on node %s: %s", p.About().Name, pluginIn(f.text), p.NodeName(), said(f.text)),
			[]diagnosis.Fix{{
				Title:   fmt.Sprintf("Look at the network plugin's own pod on node %s, its state and its log", p.NodeName()),
				Command: onNode(p) + " | grep -E 'kube-system|network|cni|calico|cilium|flannel|aws-node'",
			}}
	}),
}
