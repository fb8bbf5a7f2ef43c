// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PluginUnauthorized recognises a network plugin whose credentials the API server does not accept.
var PluginUnauthorized = &diagnosis.Rule{
	ID:    "SBX004",
	Title: "Network plugin is not allowed to ask the API server",
	Doc: `
The plugin asks the API server (or its own store) about every pod, with a token or certificate that its installer left
on the node. That is no longer accepted: the token expired because the plugin's pod on the node no longer renews it, the
service account was made anew, the cluster's authority changed, or a role was taken away.

**How it is told from its look-alikes.** By "unauthorized", "forbidden" or x509 in the newest FailedCreatePodSandBox
Event. A plugin that does not reach anybody says "connection refused" or names a socket. A pod that may not use the API
itself has no trouble getting a sandbox.

**What to do.** Restart the plugin's pod on that node, so that it writes its credentials again; if that does not help,
look at its service account and role.

The first wording is calico's ("error getting ClusterInformation: connection is unauthorized"), "is forbidden" the API
server's as multus and others pass it on.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.CertExpired, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(unauthorized, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		return fmt.Sprintf("pod %s gets no network: the credentials of network plugin%s on node %s are not accepted: %s",
				p.About().Name, pluginIn(f.text), p.NodeName(), said(f.text)), []diagnosis.Fix{{
				Title: fmt.Sprintf("Restart the network plugin's pod on node %s, which writes its credentials again", p.NodeName()), Command: onNode(p),
			}}
	}),
}
