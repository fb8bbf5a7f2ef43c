// SPDX-License-Identifier: Apache-2.0

package set

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ClaimAbsent recognises a claim that nothing brings.
var ClaimAbsent = &diagnosis.Rule{
	ID:    "SET107",
	Title: "Claim is not among the manifests",
	Doc: `
A pod mounts a PersistentVolumeClaim that none of the manifests has. If it is not in the cluster by another way the pod is never scheduled.

**How it is told from its look-alikes.** The manifests have other claims in the namespace. Claims that a StatefulSet makes from its templates, and ephemeral ones, are made with the pod.

**What to do.** Correct claimName, or add the claim.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.NotScheduled,
	Run: func(p *diagnosis.Pass) {
		has := names(diagnosis.List[*corev1.PersistentVolumeClaim](p))
		some := map[string]bool{}
		for _, c := range diagnosis.List[*corev1.PersistentVolumeClaim](p) {
			some[c.Namespace] = true
		}
		for _, pod := range diagnosis.List[*corev1.Pod](p) {
			for _, v := range pod.Spec.Volumes {
				if v.PersistentVolumeClaim == nil || !some[pod.Namespace] || has[pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName] {
					continue
				}
				name := v.PersistentVolumeClaim.ClaimName
				p.Report(finding(pod, "spec.volumes["+v.Name+"].persistentVolumeClaim.claimName", name, "Correct claimName, or add claim "+name,
					"%s mounts claim %s, which is not among these manifests: without it no pod is scheduled", owner(pod), name))
			}
		}
	},
}
