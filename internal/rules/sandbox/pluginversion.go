// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PluginVersion recognises a network plugin that does not know the version of its configuration.
var PluginVersion = &diagnosis.Rule{
	ID:    "SBX007",
	Title: "Network configuration and plugin do not agree on the version",
	Doc: `
The network configuration on the node is written for a version of CNI (cniVersion) that the plugin's program does not
know, or has no version where the runtime wants one. One of them was upgraded without the other: a new configuration
over old programs, a runtime that takes the newest version (containerd 1.6.0 to 1.6.3), or two plugins in one list.

**How it is told from its look-alikes.** By "incompatible CNI versions" and the two versions in the newest
FailedCreatePodSandBox Event. A program that is not there at all is "failed to find plugin". All pods of the node that
are not on the host's network are affected. From version 1.1.0 of a configuration on the runtime asks the plugin for its
state as well (STATUS); one that does not know the version fails there too, and the node is NotReady ("Network plugin
returns error") a few seconds after the Event.

**What to do.** Upgrade the programs below /opt/cni/bin, or set cniVersion in /etc/cni/net.d to one that all plugins of
the list know.

The words are those of containernetworking/cni pkg/version.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(version, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		return fmt.Sprintf("pod %s gets no network: on node %s the network configuration and plugin%s are of different versions: %s",
				p.About().Name, p.NodeName(), pluginIn(f.text), said(f.text)), []diagnosis.Fix{{
				Title:   fmt.Sprintf("Upgrade the plugins on node %s, or set cniVersion to one that they know", p.NodeName()),
				Command: "grep -H cniVersion /etc/cni/net.d/*",
			}}
	}),
}
