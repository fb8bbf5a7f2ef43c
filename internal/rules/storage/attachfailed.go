// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
)

// AttachFailed recognises a pod whose volume the storage system does not attach to its node.
var AttachFailed = &diagnosis.Rule{
	ID:    "STO012",
	Title: "Volume cannot be attached to the node",
	Doc: `
Before a volume can be mounted, the storage system has to attach it to the node, and that fails: the disk is gone, in
another zone, attached elsewhere by hand, or the node has as many disks as its machine type takes; or nobody carries the
request out, because the driver's attacher does not run.

**How it is told from its look-alikes.** The controller's Event FailedAttachVolume "AttachVolume.Attach failed", with the
storage system's words after it, or "timed out waiting for external-attacher", which says that there were none. A volume that
another node has is a Multi-Attach error, and a node without the driver says so; both have rules of their own. An attachment
that has succeeded since silences the rule.

**What to do.** Read the error. Without one, look at the driver's controller and at the VolumeAttachment.

The Event is written by kubernetes pkg/volume/util/operationexecutor; the words about the attacher by pkg/volume/csi.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    mountEvidence,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: causes,
	Run: func(p *diagnosis.Pass) {
		for _, f := range failures(p, unattached) {
			if strings.Contains(f.Message, "timed out waiting for external-attacher") || strings.Contains(f.Message, "Waiting for volume attachment") {
				f.report(p, fmt.Sprintf("%s is not attached to node %s: no attacher of its driver answers", f.name(p), p.NodeName()), diagnosis.Fix{
					Title: "See that the controller of the CSI driver runs, with its attacher", Command: "kubectl get volumeattachments; kubectl get pods -A | grep -i csi",
				})
				continue
			}
			f.report(p, fmt.Sprintf("%s cannot be attached to node %s: %s", f.name(p), p.NodeName(), reason(after(f.Message))), diagnosis.Fix{
				Title: "Mend what the storage system complains about; the controller tries again by itself", Command: "kubectl get volumeattachments; " + describe(p),
			})
		}
	},
}

// named is what a message says up to the name of the volume.
var named = regex.New(`^.*?for volume "?[^" ]+"?[ :]*`)

// after returns what a message says after the name of the volume.
func after(message string) string { return named.ReplaceAllString(message, "") }
