// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PluginMissing recognises a node that lacks the program which its network configuration names.
var PluginMissing = &diagnosis.Rule{
	ID:    "SBX003",
	Title: "Program of the network plugin is not on the node",
	Doc: `
The network configuration on the node names a plugin, and its program is in none of the directories that the runtime
looks into (/opt/cni/bin, /usr/lib/cni). The node image lacks it, an upgrade removed it (bridge, loopback and portmap
come with the package containernetworking-plugins), or an old configuration is left from a plugin that was uninstalled.

**How it is told from its look-alikes.** By "failed to find plugin" in the newest FailedCreatePodSandBox Event. Without
any configuration the words are "not initialized". A plugin that runs and fails gives its own error. It is always all
pods of the node that are not on the host's network.

**What to do.** Install the program, or remove the file below /etc/cni/net.d that names it: of several the first by name
counts.

The words are those of containernetworking/cni pkg/invoke/find.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.RuntimeFailed, diagnosis.NodeLost},
	Run: on(missing, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		name := strings.TrimSpace(pluginIn(f.text))
		return fmt.Sprintf("pod %s gets no network: the program of network plugin %s is not on node %s", p.About().Name, name, p.NodeName()), []diagnosis.Fix{{
			Title:   fmt.Sprintf("Install plugin %s on node %s, or remove the network configuration that names it", name, p.NodeName()),
			Command: "ls /opt/cni/bin; grep -l " + name + " /etc/cni/net.d/*",
		}}
	}),
}
