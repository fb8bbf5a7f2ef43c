// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A nightly is a CronJob that was changed a moment ago, at midnight, and a Job of it with a pod.
type nightly struct {
	cron *batchv1.CronJob
	job  *batchv1.Job
	pod  *corev1.Pod
}

func newNightly() nightly {
	midnight := metav1.Now()
	n := nightly{cron: &batchv1.CronJob{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"}, ObjectMeta: metav1.ObjectMeta{Name: "nightly", Namespace: "shop", UID: "c"},
		Spec: batchv1.CronJobSpec{Schedule: "*/5 * * * *"},
	}}
	labels := map[string]string{"batch.kubernetes.io/controller-uid": "j"}
	n.job = &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "nightly-1", Namespace: "shop", UID: "j", CreationTimestamp: midnight,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(n.cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
		},
		Spec: batchv1.JobSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}
	n.pod = &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Name: "nightly-1-a", Namespace: "shop", CreationTimestamp: midnight, Labels: labels},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "app"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app"}},
		},
	}
	return n
}

func (n *nightly) is(condition batchv1.JobConditionType, at time.Time) {
	n.job.Status.Conditions = append(n.job.Status.Conditions, batchv1.JobCondition{Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(at), Reason: "BackoffLimitExceeded"})
}

func (n *nightly) ends(code int32, phase corev1.PodPhase) {
	n.pod.Status.Phase, n.pod.Status.Conditions = phase, nil
	n.pod.Status.ContainerStatuses[0].State.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Error", FinishedAt: metav1.Now()}
}

// A running is one course of a run after a change.
type running struct {
	kind   string
	change func(*nightly)
	causes func() []diagnosis.Cause
	want   Outcome
	says   string
	least  time.Duration
}

var runnings = map[string]running{
	"a job whose pod runs": {kind: "Job", want: Cured, says: "no container failed", least: least},
	"a job that completes": {kind: "Job", change: func(n *nightly) { n.ends(0, corev1.PodSucceeded); n.is(batchv1.JobComplete, time.Now()) }, want: Cured, least: least},
	"a job whose next pod waits": {kind: "Job", change: func(n *nightly) {
		n.job.Spec.Completions, n.job.Status.Succeeded = new(int32(5)), 1
		n.ends(0, corev1.PodSucceeded)
	}, want: Open, says: "0 of 1 pods are ready", least: 10 * time.Minute},
	"a job without its pod": {kind: "Job", change: func(n *nightly) { n.pod = nil }, want: Open, says: "0 of 1 pods are ready", least: 10 * time.Minute},
	"a job that fails of the same": {
		kind:   "Job",
		change: func(n *nightly) { n.ends(137, corev1.PodFailed); n.is(batchv1.JobFailed, time.Now()) },
		causes: func() []diagnosis.Cause { return []diagnosis.Cause{died("MEM001", "nightly-1-a", time.Now())} },
		want:   Back, says: "the same cause is back",
	},
	"a job that fails of another": {
		kind:   "Job",
		change: func(n *nightly) { n.ends(1, corev1.PodFailed); n.is(batchv1.JobFailed, time.Now()) },
		causes: func() []diagnosis.Cause { return []diagnosis.Cause{died("EXT001", "nightly-1-a", time.Now())} },
		want:   Other, says: "EXT001",
	},
	"a pod that began before and fails after": {
		kind: "Job",
		change: func(n *nightly) {
			n.pod.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
			n.ends(137, corev1.PodFailed)
			n.pod.Status.ContainerStatuses[0].State.Terminated.FinishedAt = metav1.NewTime(time.Now().Add(time.Second))
		},
		causes: func() []diagnosis.Cause {
			return []diagnosis.Cause{died("MEM001", "nightly-1-a", time.Now().Add(time.Second))}
		},
		want: Back, says: "the same cause is back",
	},
	"a pod that had failed tells nothing": {
		kind: "Job",
		change: func(n *nightly) {
			n.ends(137, corev1.PodFailed)
			n.pod.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
			n.pod.Status.ContainerStatuses[0].State.Terminated.FinishedAt = metav1.NewTime(time.Now().Add(-time.Hour))
		},
		causes: func() []diagnosis.Cause {
			return []diagnosis.Cause{died("MEM001", "nightly-1-a", time.Now().Add(-time.Hour))}
		},
		want: Open, says: "0 of 1 pods are ready", least: 10 * time.Minute,
	},
	"a job of a cronjob":    {kind: "CronJob", want: Cured, says: "no container failed", least: least},
	"a cronjob that is due": {kind: "CronJob", change: func(n *nightly) { n.job = nil }, want: Open, says: "due at 2000-01-01 00:05Z", least: 10 * time.Minute},
	"a cronjob that is due in its own zone": {kind: "CronJob", change: func(n *nightly) {
		n.job, n.cron.Spec.TimeZone, n.cron.Spec.Schedule = nil, new("Asia/Kolkata"), "35 5 * * *"
	}, want: Open, says: "due at 2000-01-01 00:05Z", least: 10 * time.Minute},
	"a cronjob that is due after the time":     {kind: "CronJob", change: func(n *nightly) { n.job, n.cron.Spec.Schedule = nil, "0 2 * * *" }, want: Open, says: "inquest verify cronjob/nightly -n shop then"},
	"a cronjob whose schedule cannot be read":  {kind: "CronJob", change: func(n *nightly) { n.job, n.cron.Spec.Schedule = nil, "tomorrow" }, want: Open, says: "tomorrow", least: 10 * time.Minute},
	"a cronjob whose last job was before that": {kind: "CronJob", change: func(n *nightly) { n.job.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour)) }, want: Open, says: "due at", least: 10 * time.Minute},
}

// TestRun: of what runs now and then, the next run is the proof, and no earlier one.
func TestRun(t *testing.T) {
	for name, test := range runnings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNightly()
				if test.change != nil {
					test.change(&n)
				}
				w := n.world()
				if w.Subject = evidence.RefTo("Job", "shop", "nightly-1"); test.kind == "CronJob" {
					w.Subject = evidence.RefTo("CronJob", "shop", "nightly")
				}
				if test.causes != nil {
					w.causes = test.causes()
				}
				v, took := w.watched(t)
				if v.Outcome != test.want || !strings.Contains(v.Why, test.says) || took < test.least {
					t.Errorf("after %s: %s: %s, expected %s with %q after %s at least", took, v.Outcome, v.Why, test.want, test.says, test.least)
				}
			})
		})
	}
}

func (n *nightly) world() *world {
	objects := []runtime.Object{n.cron}
	if n.job != nil {
		objects = append(objects, n.job)
	}
	if n.pod != nil {
		objects = append(objects, n.pod)
	}
	w := &world{client: fake.NewSimpleDynamicClient(scheme.Scheme, objects...)}
	w.Watch = &Watch{
		Cluster: &Cluster{Objects: w.client, Mask: func(runtime.Object) int { return 0 }, Now: time.Now}, Since: time.Now(), Rule: "MEM001",
		Diagnose: func(context.Context) ([]diagnosis.Cause, error) { return w.causes, nil },
		Tell:     func(s string) { w.said = append(w.said, s) },
	}
	return w
}

// TestSuspended: nothing is proven of what is over or suspended, unless the change ends that.
func TestSuspended(t *testing.T) {
	n := newNightly()
	n.is(batchv1.JobFailed, time.Now().Add(-time.Hour))
	none := newNightly()
	none.job.Spec.Parallelism = new(int32)
	rests := none.world()
	rests.Subject = evidence.RefOf(none.job)
	if _, err := rests.Proof(t.Context()); err == nil || !strings.Contains(err.Error(), "wants no pods") {
		t.Errorf("of what wants no pods: %v", err)
	}
	over := n.world()
	over.Subject = evidence.RefOf(n.job)
	if _, err := over.Proof(t.Context()); err == nil || !strings.Contains(err.Error(), "make it anew") {
		t.Errorf("of what had failed: %v", err)
	}
	n.cron.Spec.Suspend = new(true)
	w := n.world()
	w.Subject = evidence.RefOf(n.cron)
	if _, err := w.Proof(t.Context()); err == nil || !strings.Contains(err.Error(), "is suspended") {
		t.Errorf("of what is suspended: %v", err)
	}
	live, err := w.Cluster.of(w.Subject).Get(t.Context(), "nightly", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	would := live.DeepCopy()
	if err := unstructured.SetNestedField(would.Object, false, "spec", "suspend"); err != nil {
		t.Fatal(err)
	}
	proof, err := w.Foresee(t.Context(), &Plan{Live: live, Would: would})
	if err != nil || !strings.Contains(strings.Join(proof.Terms, "\n"), "makes its next job") {
		t.Errorf("of what will run: %+v, %v", proof, err)
	}
}
