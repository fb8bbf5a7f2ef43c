// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Restricted recognises what the restricted level forbids and the baseline level allows.
var Restricted = &diagnosis.Rule{
	ID:    "SEC106",
	Title: "Pod is not allowed by the restricted level",
	Doc: `
The pod asks for what the restricted level of the Pod Security Standards forbids. A namespace with pod-security.kubernetes.io/enforce: restricted
refuses it: its controller makes no pod, and says so only in an Event.

**How it is told from its look-alikes.** Each field is held against the standard as Kubernetes 1.37 has it
(https://kubernetes.io/docs/concepts/security/pod-security-standards/). Whether a namespace enforces it is asked by SEC107.

**What to do.** Drop all capabilities, forbid privilege escalation, set the seccomp profile and runAsNonRoot; hardly any program notices.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		for _, v := range belowRestricted(p.PodSpec()) {
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Possible,
				Message:    fmt.Sprintf("%s: the restricted level of Pod Security forbids it", v.text),
				Facts: []evidence.Fact{{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: v.field, Text: v.text,
				}},
				Fixes: []diagnosis.Fix{{Title: v.fix, Risk: diagnosis.Restart}},
			})
		}
	},
}
