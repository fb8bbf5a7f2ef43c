// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ConfigMapMissing recognises a pod that waits for a ConfigMap that does not exist.
var ConfigMapMissing = &diagnosis.Rule{
	ID:    "CFG001",
	Title: "ConfigMap does not exist",
	Doc: `
A container or a volume refers to a ConfigMap that is not in the pod's namespace. A container that takes environment
variables from it waits with CreateContainerConfigError; a volume that is made of it keeps the whole pod in
ContainerCreating. The kubelet tries again and again, so the pod starts by itself soon after the ConfigMap is made.

**How it is told from its look-alikes.** By the words of the waiting message or, for a volume, of the newest FailedMount
Event of that volume while the pod's sandbox is not made yet. A ConfigMap that is there and lacks a key is CFG003. A
reference that is marked optional never holds a pod up, and gives no finding. For a volume the status names no cause:
the finding is certain only if the API says, too, that the ConfigMap does not exist, and likely otherwise. A ConfigMap
that exists by now speaks against it.

**What to do.** Create the ConfigMap in the namespace of the pod (they are not shared between namespaces), or correct
the name where it is referred to; a name that ends in a hash was made by kustomize or a chart and may have been cleaned
up.

The words are those of the API's not-found error, recorded from Kubernetes 1.37; the kubelet passes them on in
pkg/kubelet/kubelet_pods.go and pkg/volume/configmap/configmap.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		for _, m := range missingFor(p) {
			if m.kind == "ConfigMap" && m.key == "" {
				m.report(p, create(p, m))
			}
		}
	},
}

// create is the remedy for an object that is not there; the command shows what there is instead.
func create(p *diagnosis.Pass, m missing) diagnosis.Fix {
	plural := map[string]string{"ConfigMap": "configmaps", "Secret": "secrets"}[m.kind]
	return diagnosis.Fix{
		Title:   fmt.Sprintf("Create %s in namespace %s, or refer to one of those that are there", m.object(), p.About().Namespace),
		Command: fmt.Sprintf("kubectl get %s -n %s", plural, p.About().Namespace),
	}
}
