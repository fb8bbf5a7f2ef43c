// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Denied recognises pods that a webhook or a policy refuses.
var Denied = &diagnosis.Rule{
	ID:    "ADM009",
	Title: "A policy denies the pods",
	Doc: `
An admission webhook, as those of Kyverno, Gatekeeper or a service mesh, or a ValidatingAdmissionPolicy of the cluster looked at
the pods and said no. It is a decision of whoever set up the policy, and the message is theirs.

**How it is told from its look-alikes.** The refusal says "admission webhook … denied the request", or "ValidatingAdmissionPolicy …
denied request". A webhook that did not answer is quoted with "failed calling webhook" (ADM008). Pod Security is built in and says
"violates PodSecurity" (ADM004).

**What to do.** Change the template so that it keeps the policy that is named, or have the policy except this workload.

The words are written in kubernetes apiserver pkg/admission/plugin/webhook/errors/statuserror.go and
pkg/admission/plugin/policy/validating; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != denied {
			return
		}
		edit := change(p, "Change the template so that it keeps the policy")
		if m := policyDenied.FindStringSubmatch(r.said); m != nil {
			kind := strings.ToLower(m[1])
			r.report(p, fmt.Sprintf("the policy %s denies them: %s", m[2], flat(m[3])), nil, edit,
				diagnosis.Fix{Title: "Read the policy", Command: "kubectl get " + kind + " " + m[2] + " -o yaml"})
			return
		}
		m := deniedBy.FindStringSubmatch(r.said)
		by := "admission webhook " + m[1]
		said := flat(m[2])
		if k := blocked.FindStringSubmatch(said); k != nil {
			by, said = "policy "+k[1]+" of "+by, k[2]
		}
		if g := bracketed.FindStringSubmatch(said); g != nil {
			by, said = "policy "+g[1]+" of "+by, g[2]
		}
		if said == "" {
			said = "it does not say why"
		}
		r.report(p, by+" denies them: "+said, nil, edit, diagnosis.Fix{
			Title: "Read the policies behind the webhook", Command: "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
		})
	},
}

// Gatekeeper puts the name of the constraint in brackets before its message, Kyverno that of the policy before the rules.
var (
	deniedBy     = regex.New(`(?s)admission webhook "([^"]+)" denied the request(?: without explanation)?:? ?(.*)`)
	policyDenied = regex.New(`(?s)(ValidatingAdmissionPolicy|MutatingAdmissionPolicy) '([^']+)' (?:with binding '[^']+' )?denied request: (.*)`)
	blocked      = regex.New(`was blocked due to the following policies ([a-z0-9.-]+): (.+)`)
	bracketed    = regex.New(`^\[([a-zA-Z0-9.-]+)\] (.+)`)
)

// flat puts a message on one line, which a report can wrap.
func flat(said string) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(said), " "), ".")
}
