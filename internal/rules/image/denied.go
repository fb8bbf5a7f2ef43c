// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Denied recognises a registry that does not let the node have the image.
var Denied = &diagnosis.Rule{
	ID:    "IMG002",
	Title: "Registry refused the pull",
	Doc: `
The registry was reached and refused: it wants credentials that the node did not present, or those it was given may not
read the repository. Many registries answer the same for a repository that does not exist, so that nobody can probe for
names; the message "repository does not exist or may require authorization" means just that.

**How it is told from its look-alikes.** By the words of the pull error: 401, 403, unauthorized, denied, "no basic auth
credentials". A plain "not found" is IMG001. "Failed to authorize" alone proves nothing: it is also written when the
token server was not reached, which is IMG003. A rate limit (429) is IMG006. A pod that runs on one node and is refused
on another has its image in the first node's cache, which does not ask.

**What to do.** See whether the pod names a pull secret, in its spec or through its service account, and whether that
secret exists in the pod's namespace and is for this registry: an Event FailedToRetrieveImagePullSecret says that it
does not exist. Otherwise look for an expired token and for the spelling of the repository.

The strings are containerd's, recorded from Kubernetes 1.37 with containerd 2.4, and the error codes of the OCI
distribution specification; the Event is written in kubernetes pkg/kubelet/kubelet.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigMissing, diagnosis.CertExpired, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		f, _ := failedPull(p)
		if f.why != denied {
			return
		}
		host := registry(f.image)
		message := fmt.Sprintf("registry %s refused image %s of %s", host, f.image, f.of)
		if strings.Contains(f.text, "repository does not exist or") {
			message += " or does not have its repository"
		}
		f.report(p, message+", and "+secrets(p, &f), diagnosis.Fix{
			Title: fmt.Sprintf("Give the pod a pull secret for %s, or correct the name of the image", host),
			Command: fmt.Sprintf("kubectl create secret docker-registry NAME -n %s --docker-server=%s --docker-username=USER --docker-password=PASSWORD",
				p.About().Namespace, host),
		})
	},
}

// unread is how the kubelet lists the pull secrets that it could not read.
var unread = regex.New(`^.*image pull secrets \((.+?)\);.*$`)

// secrets says which credentials the pod has, and cites what shows it. Those of its service account are among them:
// admission copies them into the spec.
func secrets(p *diagnosis.Pass, f *pull) string {
	var names []string
	for _, s := range p.PodSpec().ImagePullSecrets {
		names = append(names, s.Name)
		f.facts = append(f.facts, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
			Where: "spec.imagePullSecrets[" + s.Name + "].name", Text: "name " + s.Name,
		})
	}
	for _, e := range slices.Backward(p.Events("FailedToRetrieveImagePullSecret")) {
		f.facts = append(f.facts, e.Fact())
		return "the kubelet could not read pull secret " + unread.ReplaceAllString(e.Message, "$1")
	}
	if len(names) == 0 {
		return "the pod names no pull secret"
	}
	return "pull secret " + strings.Join(names, ", ") + " did not help"
}
