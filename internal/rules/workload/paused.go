// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Paused recognises a Deployment that is paused before its newest template has been rolled out.
var Paused = &diagnosis.Rule{
	ID:    "WRK011",
	Title: "Deployment is paused with a change that is not rolled out",
	Doc: `
The Deployment is paused, and its template was changed: the change takes effect nowhere, or only in the pods that had been
replaced when it was paused, until somebody resumes it. Scaling works meanwhile.

**How it is told from its look-alikes.** paused is true, and fewer pods are of the newest revision than are wanted. A
Deployment that is paused with nothing to roll out is at rest. One that is not paused and does not get on has WRK001.

**What to do.** Resume it: kubectl rollout resume. Or undo the change first, if it is not to come.

The condition DeploymentPaused is set in kubernetes pkg/controller/deployment/sync.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.Unavailable,
	Run: func(p *diagnosis.Pass) {
		d, ok := p.Object(p.About()).(*appsv1.Deployment)
		if !ok || !d.Spec.Paused || d.Spec.Replicas == nil || d.Status.ObservedGeneration == 0 || d.Status.UpdatedReplicas >= *d.Spec.Replicas {
			return
		}
		f := diagnosis.Finding{
			At: p.Now(), Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("deployment %s is paused, and its newest template has reached %d of %s", d.Name, d.Status.UpdatedReplicas, pods(*d.Spec.Replicas)),
			Facts: []evidence.Fact{
				spec(p, "spec.paused", "paused true"),
				status(p, p.Now(), "status.observedGeneration", "observedGeneration %d", d.Status.ObservedGeneration),
			},
			Fixes: []diagnosis.Fix{{
				Title: "Resume the rollout, if the change is to come", Risk: diagnosis.Restart, Patch: patch(p, `{"spec":{"paused":false}}`),
			}},
		}
		if c := deploymentCondition(d, appsv1.DeploymentProgressing); c != nil && c.Reason == "DeploymentPaused" {
			f.At = c.LastTransitionTime.Time
			f.Facts = append(f.Facts, status(p, f.At, "status.conditions[Progressing]", "%s", conditionText(string(c.Status), c.Reason, c.Message)))
		}
		if by, fact := writer(d, "f:paused"); by != "" {
			f.Message += "; " + by + " paused it"
			f.Facts = append(f.Facts, fact)
		}
		p.Report(f)
	},
}
