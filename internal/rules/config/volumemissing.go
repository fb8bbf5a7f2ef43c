// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// VolumeMissing recognises a mount of nothing.
var VolumeMissing = &diagnosis.Rule{
	ID:    "CFG103",
	Title: "Mount names a volume that there is not",
	Doc: `
A container mounts a volume that the pod does not have. The API server refuses the pod, or its controller, which then makes none.

**How it is told from its look-alikes.** The volumes of the pod count, and those that a StatefulSet makes from its claim templates.

**What to do.** Correct the name in volumeMounts, or add the volume.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		c, has := p.Spec(), map[string]bool{}
		for _, v := range p.PodSpec().Volumes {
			has[v.Name] = true
		}
		for _, owner := range p.Owners() {
			if set, ok := p.Object(owner).(*appsv1.StatefulSet); ok {
				for _, claim := range set.Spec.VolumeClaimTemplates {
					has[claim.Name] = true
				}
			}
		}
		for i, m := range c.VolumeMounts {
			if has[m.Name] {
				continue
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Possible,
				Message:    fmt.Sprintf("container %s mounts volume %s, which the pod does not have: the API server refuses it", c.Name, m.Name),
				Facts:      []evidence.Fact{p.CiteSpec(fmt.Sprintf("volumeMounts[%d].name", i), m.Name)},
				Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Correct the name, or add volume %s", m.Name), Risk: diagnosis.Restart}},
			})
		}
	},
}
