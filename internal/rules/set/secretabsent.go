// SPDX-License-Identifier: Apache-2.0

package set

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SecretAbsent recognises a Secret that a pod needs and nothing brings.
var SecretAbsent = &diagnosis.Rule{
	ID:    "SET105",
	Title: "Secret is not among the manifests",
	Doc: `
A container needs a Secret that none of the manifests has. If it is not in the cluster by another way, the container is never created
(CreateContainerConfigError), or its volume never mounted.

**How it is told from its look-alikes.** The manifests have other objects of that kind in the namespace, so that they are meant to bring them along. References that are optional
are left out, as is kube-root-ca.crt.

**What to do.** Correct the name, or add the Secret. Secrets that a controller writes (External Secrets, Sealed Secrets, cert-manager) are not in manifests: waive those.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.ConfigMissing,
	Run: func(p *diagnosis.Pass) {
		absent(p, "Secret", names(diagnosis.List[*corev1.Secret](p)), func(pod *corev1.Pod, m mention) {
			p.Report(finding(pod, m.where, m.name, "Correct the name, or add Secret "+m.name,
				"%s needs Secret %s, which is not among these manifests: without it the container is not created", owner(pod), m.name))
		})
	},
}
