// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func thingMetaOf(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "shop", Name: name, UID: types.UID("uid-" + name), ResourceVersion: "7", CreationTimestamp: metav1.NewTime(began),
		Labels: map[string]string{"app": name}, Annotations: map[string]string{"note": strings.Repeat("x", 2000)},
	}
}

func templateOf(image, note string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"note": note}},
		Spec: corev1.PodSpec{
			Volumes: []corev1.Volume{{Name: "v"}}, InitContainers: []corev1.Container{{Name: "init", Image: "init:1"}},
			Containers: []corev1.Container{{Name: "app", Image: image, Env: []corev1.EnvVar{{Name: "A", Value: "b"}}}},
		},
	}
}

// A step is a thing before and after something changed, and what is told of that.
type step struct {
	name, resource string
	was, is        evidence.Object
	tells          string // reasons and messages
	troubled       bool
}

func deployment(image, note string, c ...appsv1.DeploymentCondition) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: thingMetaOf("web"), Spec: appsv1.DeploymentSpec{Replicas: new(int32(3)), Template: templateOf(image, note)},
		Status: appsv1.DeploymentStatus{Replicas: 3, Conditions: c},
	}
}

func statefulSet(n int32, image string) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{ObjectMeta: thingMetaOf("db"), Spec: appsv1.StatefulSetSpec{Replicas: &n, ServiceName: "db", Template: templateOf(image, "")}}
}

func daemonSet(image string) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: thingMetaOf("net"), Spec: appsv1.DaemonSetSpec{Template: templateOf(image, "")}}
}

func job(c ...batchv1.JobCondition) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: thingMetaOf("load"), Spec: batchv1.JobSpec{Template: templateOf("load:1", "")}, Status: batchv1.JobStatus{Failed: 1, Conditions: c}}
}

func cronJob(schedule string, suspended bool) *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: thingMetaOf("nightly"), Spec: batchv1.CronJobSpec{Schedule: schedule, Suspend: &suspended}}
}

func claim(phase corev1.PersistentVolumeClaimPhase) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: thingMetaOf("data"), Status: corev1.PersistentVolumeClaimStatus{Phase: phase, AccessModes: []corev1.PersistentVolumeAccessMode{"ReadWriteOnce"}}}
}

func scaler(most int32, c ...autoscalingv2.HorizontalPodAutoscalerCondition) *autoscalingv2.HorizontalPodAutoscaler {
	least := int32(2)
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: thingMetaOf("scale"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: &least, MaxReplicas: most, ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Name: "web"}},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 2, DesiredReplicas: 3, Conditions: c},
	}
}

func steps() []step {
	stuck := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "it has timed out"}
	well := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue}
	failed := batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}
	blind := autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionFalse, Reason: "FailedGetResourceMetric"}
	return []step{
		{"another image", "deployments", deployment("app:1", ""), deployment("app:2", ""), "TemplateChanged the template of its pods changed: image app:1 → app:2. ", false},
		{"a restart", "deployments", deployment("app:1", ""), deployment("app:1", "restarted"), "TemplateChanged the template of its pods changed, and no image in it. ", false},
		{"a secret in an image", "deployments", deployment("app:1", ""), deployment("https://joe:hunter22@registry.example/app:1", ""), "TemplateChanged the template of its pods changed: image app:1 → https://joe:[masked]@registry.example/app:1. ", false},
		{"no progress", "deployments", deployment("app:1", "", well), deployment("app:1", "", stuck), "ConditionChanged condition Progressing is False now. ", true},
		{"progress again", "deployments", deployment("app:1", "", stuck), deployment("app:1", "", well), "", false},
		{"more of it", "statefulsets", statefulSet(3, "db:1"), statefulSet(5, "db:1"), "ReplicasChanged replicas 3 → 5. ", false},
		{"another image of a StatefulSet", "statefulsets", statefulSet(3, "db:1"), statefulSet(3, "db:2"), "TemplateChanged the template of its pods changed: image db:1 → db:2. ", false},
		{"another image of a DaemonSet", "daemonsets", daemonSet("net:1"), daemonSet("net:2"), "TemplateChanged the template of its pods changed: image net:1 → net:2. ", false},
		{"a failure", "jobs", job(), job(failed), "ConditionChanged condition Failed is True now. ", true},
		{"rest", "cronjobs", cronJob("@daily", false), cronJob("@daily", true), "ScheduleChanged suspended false → true. ", false},
		{"another time", "cronjobs", cronJob("@daily", false), cronJob("@hourly", false), "ScheduleChanged schedule @daily → @hourly. ", false},
		{"a volume", "persistentvolumeclaims", claim(corev1.ClaimPending), claim(corev1.ClaimBound), "PhaseChanged phase Pending → Bound. ", false},
		{"no volume any more", "persistentvolumeclaims", claim(corev1.ClaimBound), claim(corev1.ClaimLost), "PhaseChanged phase Bound → Lost. ", true},
		{"other bounds", "horizontalpodautoscalers", scaler(10), scaler(3), "BoundsChanged most replicas 10 → 3. ", false},
		{"nothing to scale by", "horizontalpodautoscalers", scaler(10), scaler(10, blind), "ConditionChanged condition ScalingActive is False now. ", true},
	}
}

// TestSkimThings holds that what changed is told of real objects in protobuf, of which metadata but the names are left out.
func TestSkimThings(t *testing.T) {
	for _, s := range steps() {
		t.Run(s.name, func(t *testing.T) {
			all, told := newThings(), ""
			all.see(apiwatch.Added, s.skimmed(t, s.was))
			changes, troubled := all.see(apiwatch.Modified, s.skimmed(t, s.is))
			for _, c := range changes {
				told += c.reason + " " + c.message + ". "
			}
			if want := strings.ReplaceAll(s.tells, "[masked]", "hunter22"); told != want || troubled != s.troubled { // it is masked where it is kept
				t.Errorf("%q, in trouble %t; want %q, %t", told, troubled, want, s.troubled)
			}
		})
	}
}

// skimmed is an object of a step as it comes in protobuf, decoded.
func (s *step) skimmed(t *testing.T, o evidence.Object) *thing {
	t.Helper()
	i := slices.IndexFunc(thingKinds, func(k *thingKind) bool { return k.resource == s.resource })
	version := strings.TrimPrefix(thingKinds[i].group+"/"+thingKinds[i].version, "/")
	now, ok := decodedAs(t, encodedAs(t, o, version)).(*thing)
	if !ok {
		t.Fatalf("it is decoded as a %T", now)
	}
	if now.Name != o.GetName() || now.Namespace != "shop" || now.UID != o.GetUID() || now.ResourceVersion != "7" || now.Annotations != nil {
		t.Errorf("its metadata are %+v", now.ObjectMeta)
	}
	return now
}

// thingsOf returns a recorder of a world that watches things as well.
func thingsOf(t *testing.T, w *world) *Recorder {
	t.Helper()
	r := recorderOf(t, w)
	r.Groups = map[string]rest.Interface{"": r.Client}
	for _, version := range []schema.GroupVersion{appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion, autoscalingv2.SchemeGroupVersion} {
		r.Groups[version.Group] = w.client(t, "/apis", version)
	}
	return r
}

// TestThings holds that what changes about a thing while it is watched is in the history, once, also where its kind comes again, that nothing
// is told of what was so before, and that what is in trouble is looked at.
func TestThings(t *testing.T) {
	for _, s := range steps() {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { s.happens(t) })
		})
	}
}

func (s *step) happens(t *testing.T) {
	w := newWorld()
	w.runIn("shop", "web-0")
	w.set(s.resource, s.was)
	w.set("workloads", deployment("app:1", "")) // what captures find
	w.set("workloads", s.is)
	r := thingsOf(t, w)
	defer start(t, r)()
	passes(10 * time.Second)
	w.set(s.resource, s.is)
	passes(10 * time.Second)
	w.fail(nil, true)
	passes(30 * time.Second)
	events, err := r.Store.EventsOf(t.Context(), "test", evidence.Ref{}, time.Time{}, time.Time{}, nil, 100)
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	for i := range events {
		e := &events[i]
		told += e.Reason + " " + e.Message + ". "
		if e.About != evidence.RefOf(s.is) || e.Reporter != Reporter || e.Count != 1 || (e.Type == corev1.EventTypeWarning) != s.troubled {
			t.Errorf("it tells %+v", e)
		}
	}
	if told != s.tells {
		t.Errorf("the history tells %q, want %q", told, s.tells)
	}
	if s.troubled && w.captures() == 0 {
		t.Error("it is not looked at")
	}
}

// TestThingsGone holds that what is there no more is not remembered, whether that was heard or not.
func TestThingsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.runIn("shop", "web-0")
		w.set("deployments", deployment("app:1", ""))
		w.set("statefulsets", statefulSet(1, "db:1"))
		w.set("daemonsets", daemonSet("net:1"))
		r := thingsOf(t, w)
		defer start(t, r)()
		passes(10 * time.Second)
		w.remove("deployments", "web")
		passes(10 * time.Second)
		w.fail(always(down), true)
		w.remove("statefulsets", "db")
		passes(10 * time.Second)
		w.fail(nil, true)
		passes(time.Minute)
		r.things.mu.Lock()
		defer r.things.mu.Unlock()
		if n := len(r.things.known); n != 1 {
			t.Errorf("%d are known, expected one", n)
		}
	})
}

// TestThingsForbidden holds that a kind which may not be watched is a gap with the right that is missing, and all else is as ever.
func TestThingsForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fail(func(what string) int {
			if what == "statefulsets" {
				return http.StatusForbidden
			}
			return http.StatusOK
		}, false)
		w.runIn("shop", "web-0")
		w.set("daemonsets", daemonSet("net:1"))
		r := thingsOf(t, w)
		defer start(t, r)()
		passes(10 * time.Second)
		w.set("daemonsets", daemonSet("net:2"))
		w.crash("web-0", 1)
		passes(10 * time.Second)
		wantOpen(t, r, "nothing was heard of statefulsets: forbidden: cannot watch statefulsets")
		deaths(t, r, "web-0 ")
		events, err := r.Store.EventsOf(t.Context(), "test", evidence.Ref{}, time.Time{}, time.Time{}, nil, 100)
		if err != nil || len(events) != 1 {
			t.Errorf("%v, %v: expected that the DaemonSet changed", events, err)
		}
		w.fail(nil, false)
		passes(2 * time.Minute)
		wantOpen(t, r)
	})
}

// TestThingSize holds that no more is kept of a thing than what may change, whatever its size.
func TestThingSize(t *testing.T) {
	all := newThings()
	for i := range 2 {
		all.see(apiwatch.Modified, decodedAs(t, encodedAs(t, deployment(fmt.Sprint("app:", i), ""), "apps/v1")).(*thing))
	}
	size := 0
	for ref, k := range all.known {
		size += len(ref.Kind + ref.Namespace + ref.Name + strings.Join(slices.Concat(k.values, k.trouble), ""))
	}
	if len(all.known) != 1 || size > 100 {
		t.Errorf("%d bytes of text are kept of %d things", size, len(all.known))
	}
}
