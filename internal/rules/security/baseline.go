// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Baseline recognises what the baseline level forbids.
var Baseline = &diagnosis.Rule{
	ID:    "SEC105",
	Title: "Pod is not allowed by the baseline level",
	Doc: `
The pod asks for what the baseline level of the Pod Security Standards forbids. A namespace with pod-security.kubernetes.io/enforce: baseline
refuses it: its controller makes no pod, and says so only in an Event.

**How it is told from its look-alikes.** Each field is held against the standard as Kubernetes 1.37 has it
(https://kubernetes.io/docs/concepts/security/pod-security-standards/). Whether a namespace enforces it is asked by SEC107.

**What to do.** Take the setting away. What needs it belongs into a namespace of its own that allows it.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		for _, v := range belowBaseline(p.PodMeta(), p.PodSpec()) {
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Possible,
				Message:    fmt.Sprintf("%s: the baseline level of Pod Security forbids it", v.text),
				Facts: []evidence.Fact{{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: v.field, Text: v.text,
				}},
				Fixes: []diagnosis.Fix{{Title: v.fix, Risk: diagnosis.Restart}},
			})
		}
	},
}
