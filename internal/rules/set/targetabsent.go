// SPDX-License-Identifier: Apache-2.0

package set

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// TargetAbsent recognises an autoscaler of nothing.
var TargetAbsent = &diagnosis.Rule{
	ID:    "SET108",
	Title: "Autoscaler has no target",
	Doc: `
The autoscaler scales a workload that none of the manifests has. It does nothing, and tells so only in its own conditions.

**How it is told from its look-alikes.** The target is of a kind of Kubernetes' own, and the manifests have workloads in that namespace. Kinds of others, as a Rollout, are not judged.

**What to do.** Correct scaleTargetRef: kind, name and namespace must be the workload's.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.Unavailable,
	Run: func(p *diagnosis.Pass) {
		x := indexOf(p)
		for _, h := range diagnosis.List[*autoscalingv2.HorizontalPodAutoscaler](p) {
			t := h.Spec.ScaleTargetRef
			if t.Kind != "Deployment" && t.Kind != "StatefulSet" && t.Kind != "ReplicaSet" || len(x.in[h.Namespace]) == 0 {
				continue
			}
			if p.Object(evidence.RefTo(t.Kind, h.Namespace, t.Name)) != nil {
				continue
			}
			p.Report(finding(h, "spec.scaleTargetRef.name", t.Kind+" "+t.Name, "Correct scaleTargetRef of "+h.Name,
				"HorizontalPodAutoscaler %s scales %s %s, which is not among these manifests", h.Name, t.Kind, t.Name))
		}
	},
}
