// SPDX-License-Identifier: Apache-2.0

package config

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SecretMissing recognises a pod that waits for a Secret that does not exist.
var SecretMissing = &diagnosis.Rule{
	ID:    "CFG002",
	Title: "Secret does not exist",
	Doc: `
A container or a volume refers to a Secret that is not in the pod's namespace. A container that takes environment
variables from it waits with CreateContainerConfigError; a volume that is made of it keeps the whole pod in
ContainerCreating. The kubelet tries again and again, so the pod starts by itself soon after the Secret is made.

**How it is told from its look-alikes.** By the words of the waiting message or, for a volume, of the newest FailedMount
Event of that volume while the pod's sandbox is not made yet; from an Event alone the finding is likely, since Secrets
are never read to confirm it. A Secret that is there and lacks a key is CFG003. A pull secret that does not exist holds
nothing up by itself; where the registry refuses because of it, that is IMG002.

**What to do.** Create the Secret in the namespace of the pod. Where something makes it (cert-manager, External Secrets,
Sealed Secrets, an operator), look at that thing's own status: the Secret is missing because it failed.

The words are those of the API's not-found error, recorded from Kubernetes 1.37; the kubelet passes them on in
pkg/kubelet/kubelet_pods.go and pkg/volume/secret/secret.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		for _, m := range missingFor(p) {
			if m.kind == "Secret" && m.key == "" {
				m.report(p, create(p, m))
			}
		}
	},
}
