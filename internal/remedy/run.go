// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// lookAtRun looks at a Job, or at the newest that a CronJob has made since the change: its run is the proof.
func (w *Watch) lookAtRun(ctx context.Context) (sight, error) {
	o, err := w.read(ctx)
	if o == nil {
		return sight{reason: named(w.Subject) + " is not there", hopeless: true}, err
	}
	s := runOf(o)
	if s.hopeless {
		return s, nil
	}
	switch o := o.(type) {
	case *batchv1.Job:
		err = w.addRun(ctx, &s, o)
	case *batchv1.CronJob:
		err = w.addNewest(ctx, &s, o)
	}
	return s, err
}

// runOf is what of a Job or a CronJob is known without its pods.
func runOf(o evidence.Object) sight {
	s := sight{runs: true}
	suspended := false
	switch o := o.(type) {
	case *batchv1.Job:
		s.probing, suspended = probing(probed(&o.Spec.Template.Spec)), o.Spec.Suspend != nil && *o.Spec.Suspend
	case *batchv1.CronJob:
		s.probing, suspended = probing(probed(&o.Spec.JobTemplate.Spec.Template.Spec)), o.Spec.Suspend != nil && *o.Spec.Suspend
	}
	if suspended {
		s.reason, s.hopeless = named(evidence.RefOf(o))+" is suspended, so nothing can be proven of it", true
	}
	return s
}

// addNewest adds what the newest Job shows that a CronJob has made since the change, or when there will be one.
func (w *Watch) addNewest(ctx context.Context, s *sight, of *batchv1.CronJob) error {
	list, err := w.Cluster.Objects.Resource(kinds["Job"].resource).Namespace(of.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the jobs of %s: %w", named(w.Subject), err)
	}
	var newest *unstructured.Unstructured
	for i := range list.Items {
		u := &list.Items[i]
		if metav1.IsControlledBy(u, of) && !w.earlier(u) && (newest == nil || newest.GetCreationTimestamp().Time.Before(u.GetCreationTimestamp().Time)) {
			newest = u
		}
	}
	if newest == nil {
		w.await(s, of)
		return nil
	}
	o, err := typed(newest)
	if err != nil {
		return err
	}
	return w.addRun(ctx, s, o.(*batchv1.Job))
}

// earlier tells whether something was made before the change.
func (w *Watch) earlier(u *unstructured.Unstructured) bool {
	return u.GetCreationTimestamp().Time.Before(w.Since.Truncate(time.Second))
}

// await says when a CronJob makes its next Job, and gives up where that is after the time there is.
func (w *Watch) await(s *sight, of *batchv1.CronJob) {
	s.reason = fmt.Sprintf("no job has been made since the change: its schedule is %q", of.Spec.Schedule)
	zone := "UTC"
	if of.Spec.TimeZone != nil {
		zone = *of.Spec.TimeZone
	}
	schedule, err := cron.ParseStandard("CRON_TZ=" + zone + " " + of.Spec.Schedule)
	if err != nil {
		return // a diagnosis tells
	}
	due := schedule.Next(w.Since)
	s.reason = "its next job is due at " + due.UTC().Format("2006-01-02 15:04Z")
	if s.hopeless = !w.until.IsZero() && due.After(w.until); s.hopeless {
		s.reason += fmt.Sprintf(", and only that can prove that it is cured: inquest verify cronjob/%s -n %s then", of.Name, of.Namespace)
	}
}

// addRun adds what a Job and its pods show. Those that succeeded are in its count, and stand for no pod that is yet to run; those that had
// failed before the change tell nothing of it.
func (w *Watch) addRun(ctx context.Context, s *sight, job *batchv1.Job) error {
	selector, err := metav1.LabelSelectorAsSelector(job.Spec.Selector)
	if err != nil {
		return fmt.Errorf("read the selector of %s: %w", named(evidence.RefOf(job)), err)
	}
	list, err := w.Cluster.Objects.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(job.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return fmt.Errorf("list the pods of %s: %w", named(evidence.RefOf(job)), err)
	}
	var pods []unstructured.Unstructured
	for i := range list.Items {
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &pod); err != nil {
			return fmt.Errorf("read a pod of %s: %w", named(evidence.RefOf(job)), err)
		}
		death, _ := w.deathIn(&pod)
		if pod.Status.Phase != corev1.PodSucceeded && (pod.Status.Phase != corev1.PodFailed || death != "") {
			pods = append(pods, list.Items[i])
		}
	}
	want := int(min(wanted(job.Spec.Parallelism), wanted(job.Spec.Completions)-job.Status.Succeeded))
	why, hopeless := "", false
	if wanted(job.Spec.Parallelism) == 0 {
		why, hopeless = none(evidence.RefOf(job)), true
	}
	for _, c := range job.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == batchv1.JobComplete:
			want = 0
		case c.Type == batchv1.JobFailed && c.LastTransitionTime.Time.Before(w.Since.Truncate(time.Second)):
			why, hopeless = named(evidence.RefOf(job))+" had failed before the change and makes no pod any more: make it anew, then watch", true
		case c.Type == batchv1.JobFailed:
			why, want = fmt.Sprintf("%s failed: %s", named(evidence.RefOf(job)), cmp.Or(c.Message, c.Reason)), 0
		}
	}
	if err := w.add(s, pods, want, probed(&job.Spec.Template.Spec)); err != nil || why == "" {
		return err
	}
	s.reason, s.hopeless, s.troubled = why, hopeless, true
	return nil
}
