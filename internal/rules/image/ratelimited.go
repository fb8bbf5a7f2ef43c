// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RateLimited recognises a registry that refuses because it was asked too often.
var RateLimited = &diagnosis.Rule{
	ID:    "IMG006",
	Title: "Registry limits how often images may be pulled",
	Doc: `
The registry was reached, and it answers that it was asked too often: HTTP 429, "toomanyrequests". Nothing is wrong with
the image or, as a rule, with the credentials. Docker Hub counts pulls by the address they come from when nobody is
logged in, and all nodes behind one gateway share that address; a scale-out that pulls on many cold nodes uses the
allowance up.

**How it is told from its look-alikes.** By 429 or toomanyrequests in the pull error. A refusal for want of credentials
(401, 403) is IMG002, although logging in is one remedy for both. A registry that answers with a server error is IMG003.

**What to do.** The kubelet tries again by itself, and the limit passes. To keep it from coming back: pull with an
account, through a mirror or a registry of your own, and do not pull what the node has (imagePullPolicy IfNotPresent).

The error code TOOMANYREQUESTS is in the OCI distribution specification; the wording "429 Too Many Requests" is
containerd's, recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(limited, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		fixes := []diagnosis.Fix{{
			Title: fmt.Sprintf("Pull from %s with an account, or from a mirror: the limit counts by address for those without one", registry(f.image)),
		}}
		if c := p.Spec(); c.Image == f.image && c.ImagePullPolicy == "Always" {
			f.facts = append(f.facts, p.CiteSpec("imagePullPolicy", "Always"))
			fixes = append(fixes, pullIfNotPresent(p, fmt.Sprintf("Do not pull the image of %s where the node has it", f.of)))
		}
		return fmt.Sprintf("registry %s was asked too often and refuses image %s of %s for now", registry(f.image), f.image, f.of), fixes
	}),
}
