// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoProgress recognises a Deployment whose rollout does not come to an end.
var NoProgress = &diagnosis.Rule{
	ID:    "WRK001",
	Title: "Deployment exceeded its progress deadline",
	Doc: `
The Deployment created or replaced pods and none of them became available for longer than progressDeadlineSeconds (ten
minutes by default). The controller goes on trying and rolls nothing back; pods of the revision before still serve, as many
as maxUnavailable lets stand.

**How it is told from its look-alikes.** The condition Progressing is False with the reason ProgressDeadlineExceeded, for
the generation that the spec has now. An Event or an alert from earlier is none: a rollout that succeeded since, or was
rolled back, has Progressing True. What keeps the newest pods from becoming available is the cause where it is known, and
this finding follows from it.

**What to do.** Remedy what is wrong with the pods of the newest ReplicaSet, or go back: kubectl rollout undo.

The condition is set in kubernetes pkg/controller/deployment/progress.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.Unavailable,
	CausedBy: podTrouble,
	Run: func(p *diagnosis.Pass) {
		d, ok := p.Object(p.About()).(*appsv1.Deployment)
		if !ok || d.Status.ObservedGeneration < d.Generation {
			return
		}
		c := deploymentCondition(d, appsv1.DeploymentProgressing)
		if c == nil || c.Reason != "ProgressDeadlineExceeded" {
			return
		}
		through := troubled(p, newest(p, p.Siblings()))
		wanted := int32(1)
		if d.Spec.Replicas != nil {
			wanted = *d.Spec.Replicas
		}
		deadline := 10 * time.Minute
		if s := d.Spec.ProgressDeadlineSeconds; s != nil {
			deadline = time.Duration(*s) * time.Second
		}
		f := diagnosis.Finding{
			At: since(p, c.LastTransitionTime.Time, through), Confidence: diagnosis.Certain, Through: through,
			Message: fmt.Sprintf("deployment %s has made no progress within its deadline of %s: %d of %s available, %d of the newest revision",
				d.Name, deadline, d.Status.AvailableReplicas, pods(wanted), d.Status.UpdatedReplicas),
		}
		f.Facts = append(f.Facts, status(p, c.LastTransitionTime.Time, "status.conditions[Progressing]", "%s", conditionText("False", c.Reason, c.Message)))
		if c := deploymentCondition(d, appsv1.DeploymentReplicaFailure); c != nil && c.Status == corev1.ConditionTrue {
			f.Facts = append(f.Facts, status(p, c.LastTransitionTime.Time, "status.conditions[ReplicaFailure]", "%s", conditionText("True", c.Reason, c.Message)))
			f.Message += "; pods cannot be created: " + c.Message
		}
		f.Fixes = []diagnosis.Fix{
			{Title: "Remedy what keeps the newest pods from becoming available", Command: kubectl(p, "describe")},
			{Title: "Go back to the revision before, if that one was well", Command: kubectl(p, "rollout undo"), Risk: diagnosis.Restart},
		}
		p.Report(f)
	},
}

func deploymentCondition(d *appsv1.Deployment, kind appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if d.Status.Conditions[i].Type == kind {
			return &d.Status.Conditions[i]
		}
	}
	return nil
}
