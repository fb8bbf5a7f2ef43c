// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// count returns how many pods a controller has and wants, and the field that says it. A CronJob wants one Job and never
// says that it has it.
func count(o evidence.Object) (has, wants int32, where string) {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return o.Status.Replicas, orOne(o.Spec.Replicas), "status.replicas"
	case *appsv1.ReplicaSet:
		return o.Status.Replicas, orOne(o.Spec.Replicas), "status.replicas"
	case *appsv1.StatefulSet:
		return o.Status.Replicas, orOne(o.Spec.Replicas), "status.replicas"
	case *corev1.ReplicationController:
		return o.Status.Replicas, orOne(o.Spec.Replicas), "status.replicas"
	case *appsv1.DaemonSet:
		return o.Status.CurrentNumberScheduled, o.Status.DesiredNumberScheduled, "status.currentNumberScheduled"
	case *batchv1.Job:
		return ofJob(o)
	case *batchv1.CronJob:
		if !isTrue(o.Spec.Suspend) {
			return 0, 1, ""
		}
	}
	return 0, 0, ""
}

// ofJob counts the pods of a Job that run and those that it may run at once and still needs.
func ofJob(j *batchv1.Job) (has, wants int32, where string) {
	ended := func(c batchv1.JobCondition) bool { return c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed }
	if isTrue(j.Spec.Suspend) || slices.ContainsFunc(j.Status.Conditions, ended) {
		return 0, 0, ""
	}
	wants = orOne(j.Spec.Parallelism)
	if j.Spec.Completions != nil {
		wants = min(wants, *j.Spec.Completions-j.Status.Succeeded)
	} else if j.Status.Succeeded > 0 { // a work queue that is done
		wants = 0
	}
	return j.Status.Active, wants, "status.active"
}

func isTrue(b *bool) bool { return b != nil && *b }

func orOne(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// missing returns how many pods a controller wants and has not.
func missing(o evidence.Object) int32 {
	has, wants, _ := count(o)
	return max(wants-has, 0)
}

// counts cites the fields with the two numbers, as far as there are such.
func counts(p *diagnosis.Pass, o evidence.Object) []evidence.Fact {
	if cron, is := o.(*batchv1.CronJob); is && cron.Status.LastScheduleTime != nil {
		at := cron.Status.LastScheduleTime.UTC() // of its last Job, before the one that was refused
		return []evidence.Fact{{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: at,
			Where: "status.lastScheduleTime", Text: "lastScheduleTime " + at.Format(time.RFC3339),
		}}
	}
	has, _, where := count(o)
	if where == "" {
		return nil
	}
	facts := []evidence.Fact{number(p, where, has)}
	wants := map[string]*int32{}
	switch o := o.(type) {
	case *appsv1.Deployment:
		wants["spec.replicas"] = o.Spec.Replicas
	case *appsv1.ReplicaSet:
		wants["spec.replicas"] = o.Spec.Replicas
	case *appsv1.StatefulSet:
		wants["spec.replicas"] = o.Spec.Replicas
	case *corev1.ReplicationController:
		wants["spec.replicas"] = o.Spec.Replicas
	case *appsv1.DaemonSet:
		wants["status.desiredNumberScheduled"] = &o.Status.DesiredNumberScheduled
	case *batchv1.Job:
		wants["spec.parallelism"], wants["spec.completions"] = o.Spec.Parallelism, o.Spec.Completions
	}
	for _, where := range slices.Sorted(maps.Keys(wants)) {
		if n := wants[where]; n != nil {
			facts = append(facts, number(p, where, *n))
		}
	}
	return facts
}

func number(p *diagnosis.Pass, where string, n int32) evidence.Fact {
	f := evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: where}
	section, field, _ := strings.Cut(where, ".")
	if section == "spec" {
		f.Kind, f.Source = evidence.Spec, evidence.FromSpec
	}
	f.Text = fmt.Sprintf("%s %d", field, n)
	return f
}

// lastSuccess returns when a CronJob last made a Job; the zero time of anything else.
func lastSuccess(o evidence.Object) time.Time {
	if c, ok := o.(*batchv1.CronJob); ok && c.Status.LastScheduleTime != nil {
		return c.Status.LastScheduleTime.Time
	}
	return time.Time{}
}

// template returns the template of the pods that a controller makes, or nil.
func template(o evidence.Object) *corev1.PodTemplateSpec {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.ReplicaSet:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	case *corev1.ReplicationController:
		return o.Spec.Template
	}
	return nil
}
