// SPDX-License-Identifier: Apache-2.0

package set

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SharedVolume recognises replicas that wait for each other's volume.
var SharedVolume = &diagnosis.Rule{
	ID:    "SET116",
	Title: "Replicas share a volume that only one node can mount",
	Doc: `
Several replicas mount one claim of mode ReadWriteOnce, or a Deployment that rolls out mounts it. The second pod may come to another node, where the volume cannot be attached
("Multi-Attach error"), and waits; a rollout then waits for ever, as the old pod is ended only when the new one is ready.

**How it is told from its look-alikes.** The claim is among the manifests, and its modes are ReadWriteOnce or ReadWriteOncePod only. With strategy Recreate and one replica the
volume moves, and it is left alone. A StatefulSet makes each pod a claim of its own.

**What to do.** Use strategy Recreate with one replica, a StatefulSet, or a volume of mode ReadWriteMany.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.VolumeFailed,
	Run: func(p *diagnosis.Pass) {
		for _, pod := range diagnosis.List[*corev1.Pod](p) {
			d, ok := p.Object(owner(pod)).(*appsv1.Deployment)
			if !ok || wanted(p, owner(pod)) < 2 && d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
				continue
			}
			for _, v := range pod.Spec.Volumes {
				if v.PersistentVolumeClaim == nil || !single(p, pod.Namespace, v.PersistentVolumeClaim.ClaimName) {
					continue
				}
				name := v.PersistentVolumeClaim.ClaimName
				p.Report(finding(pod, "spec.volumes["+v.Name+"].persistentVolumeClaim", name, fmt.Sprintf("Use strategy Recreate and one replica for %s, or a StatefulSet", d.Name),
					"%s mounts claim %s, which one node at a time can have: its next pod waits for the volume on another node", owner(pod), name))
			}
		}
	},
}

// single tells whether only one node at a time can mount a claim of the set.
func single(p *diagnosis.Pass, namespace, name string) bool {
	claim, ok := diagnosis.Get[*corev1.PersistentVolumeClaim](p, namespace, name)
	if !ok || len(claim.Spec.AccessModes) == 0 {
		return false
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode != corev1.ReadWriteOnce && mode != corev1.ReadWriteOncePod {
			return false
		}
	}
	return true
}
