// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// controllers are of the kinds that make objects of a template that is judged itself.
var controllers = []string{"apps/v1 Deployment", "apps/v1 ReplicaSet", "apps/v1 StatefulSet", "apps/v1 DaemonSet", "batch/v1 Job", "batch/v1 CronJob", "v1 ReplicationController"}

// makes keeps which controller made a manifest, as what a cluster printed says.
func (p *part) makes(m *collect.Manifest) {
	if m.Object == nil {
		return
	}
	by := metav1.GetControllerOfNoCopy(m.Object)
	if by == nil || !slices.Contains(controllers, by.APIVersion+" "+by.Kind) {
		return
	}
	if p.makers == nil {
		p.makers = map[evidence.Ref]evidence.Ref{}
	}
	p.makers[m.Ref] = evidence.RefTo(by.Kind, m.Ref.Namespace, by.Name)
}

// unmade leaves out what controllers have made of other manifests that were read, as the ReplicaSets and pods of a Deployment in what a cluster
// printed: all that is to be said of them is said of these. It returns the outlines that are left.
func (r *Result) unmade(makers map[evidence.Ref]evidence.Ref, outlines []evidence.Object) []evidence.Object {
	made := map[evidence.Ref]bool{}
	for ref, by := range makers {
		if len(r.objects[by]) > 0 {
			made[ref] = true
			r.Made += len(r.objects[ref])
		}
	}
	if len(made) == 0 {
		return outlines
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return made[f.About.Object()] })
	return slices.DeleteFunc(outlines, func(o evidence.Object) bool {
		by := metav1.GetControllerOfNoCopy(o) // of the pod of a template, what has that
		return made[evidence.RefOf(o)] || by != nil && made[evidence.RefTo(by.Kind, o.GetNamespace(), by.Name)]
	})
}
