// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// VolumeLimit recognises a pod whose volumes no node can attach beside those that it has.
var VolumeLimit = &diagnosis.Rule{
	ID:    "SCH006",
	Title: "Every node has as many volumes attached as it can",
	Doc: `
A machine takes only so many disks, and its CSI driver tells the scheduler how many. Every node that the pod could use has
that many attached, so a further volume finds no place.

**How it is told from its look-alikes.** The scheduler says "exceed max volume count". A volume that is in another zone is
SCH011 and one that is not bound SCH012; an attachment that fails after the pod has a node is no matter of scheduling. The
limit is in the CSINode object of each node: it is that of the driver, and counts all pods of the node.

**What to do.** Add a node or one that takes more disks; use fewer volumes for each pod; look for attachments of volumes that
no pod uses any more.

The words are written in kubernetes pkg/scheduler/framework/plugins/nodevolumelimits/csi.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != volumeCount {
			return
		}
		message := fmt.Sprintf("no node can attach the volumes of pod %s: %s have as many volumes as they can", p.About().Name, v.on(volumeCount))
		v.report(p, volumeCount, message, claims(p), diagnosis.Fix{
			Title:   "Add a node, or move pods with volumes to a node that has fewer attached",
			Command: "kubectl get volumeattachments -o wide",
		}, diagnosis.Fix{
			Title:   "Compare with the limit that the driver reports for each node",
			Command: "kubectl get csinodes -o custom-columns=NAME:.metadata.name,LIMITS:.spec.drivers[*].allocatable.count",
		})
	},
}

// claims cites the claims that the pod uses.
func claims(p *diagnosis.Pass) []evidence.Fact {
	var facts []evidence.Fact
	for _, v := range p.PodSpec().Volumes {
		if v.PersistentVolumeClaim != nil {
			facts = append(facts, p.CiteSpec("volumes["+v.Name+"].persistentVolumeClaim.claimName", v.PersistentVolumeClaim.ClaimName))
		}
	}
	return facts
}
