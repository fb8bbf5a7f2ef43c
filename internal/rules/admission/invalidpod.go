// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// InvalidPod recognises a template whose pods the API server finds invalid.
var InvalidPod = &diagnosis.Rule{
	ID:    "ADM011",
	Title: "The API server finds the pods invalid",
	Doc: `
The pods that the controller makes do not pass validation, although the template did: a default or a webhook changed a field on
the way, the name of the workload makes the pod's name or label too long, or an object from before an upgrade is held to newer rules.

**How it is told from its look-alikes.** The refusal says "is invalid" with the path of the field. A request above a limit that
the template does not state is a LimitRange's doing (ADM003). "is forbidden" is a decision of admission and no fault of a field.

**What to do.** Correct the field that is named. If the template does not have that value, look what changes pods on the way:
mutating webhooks and LimitRanges.

The words are written in kubernetes pkg/apis/core/validation/validation.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != invalid {
			return
		}
		said := strings.TrimSpace(isInvalid.ReplaceAllString(r.said, ""))
		r.report(p, "the API server finds them invalid by "+said, nil, change(p, "Correct the field"), diagnosis.Fix{
			Title: "If the template does not have that value, look what changes pods on the way", Command: "kubectl get mutatingwebhookconfigurations",
		})
	},
}

var isInvalid = regex.New(`(?s)^.*?" is invalid: `)
