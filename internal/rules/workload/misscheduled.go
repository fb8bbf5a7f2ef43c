// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Misscheduled recognises a DaemonSet with pods on nodes where none should be.
var Misscheduled = &diagnosis.Rule{
	ID:    "WRK008",
	Title: "DaemonSet has pods on nodes where it should not",
	Doc: `
Pods of the DaemonSet run on nodes that its node selector, affinity or tolerations no longer allow: the node's labels or
taints were changed after the pod had started. A taint with NoSchedule removes no pod, so it stays; the controller counts
it as misscheduled. It is not replaced there when it dies.

**How it is told from its look-alikes.** The status has numberMisscheduled above 0, for the generation that the spec has
now. A DaemonSet with fewer pods than desired has another trouble: a pod that cannot start, or a node that is full.

**What to do.** Give the pods a toleration for the taint, or the nodes their label back, if they belong there; delete them
if not.

The number is counted in kubernetes pkg/controller/daemon/daemon_controller.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Effect:   diagnosis.Unavailable,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		ds, ok := p.Object(p.About()).(*appsv1.DaemonSet)
		if !ok || ds.Status.NumberMisscheduled == 0 || ds.Status.ObservedGeneration < ds.Generation {
			return
		}
		p.Report(diagnosis.Finding{
			At: p.Now(), Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("daemonset %s has %s on nodes that its selector or tolerations no longer allow", ds.Name, pods(ds.Status.NumberMisscheduled)),
			Facts: []evidence.Fact{status(p, p.Now(), "status", "numberMisscheduled %d, desiredNumberScheduled %d, currentNumberScheduled %d",
				ds.Status.NumberMisscheduled, ds.Status.DesiredNumberScheduled, ds.Status.CurrentNumberScheduled)},
			Fixes: []diagnosis.Fix{
				{Title: "Compare the taints and labels of the nodes with the tolerations and the node selector", Command: "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints,LABELS:.metadata.labels"},
				{Title: "Give the pods a toleration if they belong there, or delete them if not"},
			},
		})
	},
}
