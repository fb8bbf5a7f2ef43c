// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
)

// DriverMissing recognises a pod whose volume needs a CSI driver that its node does not have.
var DriverMissing = &diagnosis.Rule{
	ID:    "STO011",
	Title: "CSI driver is not registered on the node",
	Doc: `
The volume is served by a CSI driver, and the kubelet of the pod's node knows no driver of that name. The driver's node
plugin, usually a DaemonSet, does not run there: it was never installed, does not tolerate a taint of the node, crashes, or
has not come up yet on a node that has just joined or restarted.

**How it is told from its look-alikes.** "not found in the list of registered CSI drivers", or "CSINode … does not contain
driver". An error that the driver itself returned (rpc error) shows that it is there. A claim that is Pending is waiting for
the driver's controller and not for its node plugin.

**What to do.** Look at the driver's pod on that node. The kubelet tries again by itself, so the pod starts when the driver
has registered.

The words are in kubernetes pkg/volume/csi (csi_client.go) and, for CSINode, in the external attacher.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    mountEvidence,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: causes,
	Run: func(p *diagnosis.Pass) {
		for _, f := range failures(p, driverless) {
			name := captured(driverName, f.Message, "of the volume")
			f.report(p, fmt.Sprintf("%s of pod %s cannot be mounted: node %s has no CSI driver %s", f.name(p), p.About().Name, p.NodeName(), name),
				diagnosis.Fix{
					Title:   fmt.Sprintf("Look at the pod of driver %s on node %s: it does not run there, or has not registered", name, p.NodeName()),
					Command: fmt.Sprintf("kubectl get csinode %s -o yaml; kubectl get pods -A -o wide --field-selector spec.nodeName=%s", p.NodeName(), p.NodeName()),
				})
		}
	},
}

var driverName = regex.New(`(?:driver name|contain driver|CSIDriver object for|not supported by driver) "?([^ ":,]+)`)
