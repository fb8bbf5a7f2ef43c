// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Unsigned recognises an image whose signature the node does not accept.
var Unsigned = &diagnosis.Rule{
	ID:    "IMG010",
	Title: "Signature of the image is not accepted",
	Doc: `
The node's runtime has a policy on signatures, and the image has none, or one by a key that the policy does not name.
Nothing is started.

**How it is told from its look-alikes.** By the reason SignatureValidationFailed, which CRI-O gives since Kubernetes
1.28, or by "Source image rejected" and "signature was required" in the pull error. A refusal by an admission webhook
that checks signatures is another thing: then there is no pod at all. An unknown certificate authority is TLS (IMG007).

**What to do.** Sign the image with a key that the policy names, or correct the policy (/etc/containers/policy.json on
the node, or what manages it). Do not switch the policy off to get one pod started.

The reason is in kubernetes pkg/kubelet/images/image_manager.go, evalCRIPullErr; the wordings are those of
containers/image signature/policy_eval.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(unsigned, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		return fmt.Sprintf("node %s does not accept the signature of image %s of %s, or it has none", p.NodeName(), f.image, f.of),
			[]diagnosis.Fix{{Title: fmt.Sprintf("Sign image %s with a key that the node's signature policy names, or correct that policy", f.image)}}
	}),
}
