// SPDX-License-Identifier: Apache-2.0

package scaling

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Bounds recognises an autoscaler that cannot scale.
var Bounds = &diagnosis.Rule{
	ID:    "SCL101",
	Title: "Autoscaler has no room to scale",
	Doc: `
The autoscaler's least and most replicas are the same, or the least is above the most. It never scales, and a load that it was meant for meets the same few
pods; or the API server refuses it.

**How it is told from its look-alikes.** Both numbers are in the manifest; minReplicas is 1 where it is not set. A wide range that is
never used is no fault that a manifest shows.

**What to do.** Raise maxReplicas, or take the autoscaler away.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.Unavailable,
	Run: func(p *diagnosis.Pass) {
		h, ok := p.Object(p.About()).(*autoscalingv2.HorizontalPodAutoscaler)
		if !ok {
			return
		}
		least := int32(1)
		if h.Spec.MinReplicas != nil {
			least = *h.Spec.MinReplicas
		}
		if least < h.Spec.MaxReplicas {
			return
		}
		says := "it never scales"
		if least > h.Spec.MaxReplicas {
			says = "the API server refuses it"
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("%s has at least %d and at most %d replicas: %s", p.About(), least, h.Spec.MaxReplicas, says),
			Facts: []evidence.Fact{{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: "spec.maxReplicas", Text: fmt.Sprintf("maxReplicas %d", h.Spec.MaxReplicas),
			}},
			Fixes: []diagnosis.Fix{{Title: fmt.Sprintf("Raise maxReplicas of %s above %d", p.About().Name, least)}},
		})
	},
}
