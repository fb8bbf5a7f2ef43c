// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Pressure recognises a node that runs out of memory, disk or processes.
var Pressure = &diagnosis.Rule{
	ID:    "NOD009",
	Title: "Node is under pressure",
	Doc: `
The kubelet has found that memory, disk or process ids of the node have fallen below its eviction threshold. With too little memory it admits no pods of the class BestEffort (without requests and limits), with too little disk or process ids no pods at all,
taints the node and evicts pods, those first that use more than they requested.

**How it is told from its look-alikes.** By the conditions MemoryPressure, DiskPressure and PIDPressure, which the kubelet sets and keeps for five minutes after it is over. A pod that exceeds its own limit is killed or evicted without any
of them. A node whose requests are all taken has no pressure: pods just do not fit.

**What to do.** Find what uses it: pods above their requests, images, logs, or programs outside of Kubernetes. Requests that are true keep it from coming back.

Thresholds by default: memory.available<100Mi, nodefs.available<10%, nodefs.inodesFree<5%, imagefs.available<15% (kubernetes pkg/kubelet/apis/config/v1beta1).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Effect:   diagnosis.NodePressure,
	CausedBy: []diagnosis.Effect{diagnosis.StorageFull, diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		node := p.Node()
		for _, kind := range pressures {
			c, _ := condition(node, kind.condition)
			if c.Status != corev1.ConditionTrue {
				continue
			}
			cited, _ := p.CiteNodeCondition(kind.condition)
			p.Report(diagnosis.Finding{
				At: c.LastTransitionTime.Time, Confidence: diagnosis.Certain, Facts: []evidence.Fact{cited},
				Message: fmt.Sprintf("node %s is short of %s (%s): the kubelet evicts pods and takes no new ones%s", node.Name, kind.what, kind.condition, kind.save),
				Fixes:   look("Find out what uses "+kind.what+" on node "+node.Name, kind.look),
			})
		}
	},
}

var pressures = []struct {
	condition        corev1.NodeConditionType
	what, save, look string
}{
	{corev1.NodeMemoryPressure, "memory", " that request nothing", "kubectl top pods -A --sort-by memory | head -20"},
	{corev1.NodeDiskPressure, "disk space or inodes", "", "df -h; df -i; crictl images; du -xsh /var/log /var/lib/* | sort -h | tail"},
	{corev1.NodePIDPressure, "process ids", "", "ps -eo nlwp,pid,comm --sort=-nlwp | head -20"},
}
