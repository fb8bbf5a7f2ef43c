// SPDX-License-Identifier: Apache-2.0

package set

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ReplicasContested recognises a number of replicas that two set.
var ReplicasContested = &diagnosis.Rule{
	ID:    "SET110",
	Title: "Replicas are set beside an autoscaler",
	Doc: `
The workload sets replicas and an autoscaler scales it. Each apply of the manifest puts the number back, which ends pods in the middle of load, until the autoscaler
raises it again.

**How it is told from its look-alikes.** The autoscaler's target is that workload. Without replicas in the manifest an apply leaves the number alone.

**What to do.** Take replicas out of the manifest.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.Terminated,
	Run: func(p *diagnosis.Pass) {
		for _, h := range diagnosis.List[*autoscalingv2.HorizontalPodAutoscaler](p) {
			target := p.Object(targetOf(h))
			var replicas *int32
			switch o := target.(type) {
			case *appsv1.Deployment:
				replicas = o.Spec.Replicas
			case *appsv1.StatefulSet:
				replicas = o.Spec.Replicas
			}
			if replicas == nil {
				continue
			}
			p.Report(finding(target, "spec.replicas", fmt.Sprintf("replicas %d", *replicas), "Take replicas out of the manifest of "+target.GetName(),
				"%s sets %d replicas and HorizontalPodAutoscaler %s scales it: each apply puts the number back", evidence.RefOf(target), *replicas, h.Name))
		}
	},
}
