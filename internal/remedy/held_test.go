// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// TestHeld: what does not replace its pods by itself is told at once, with what to do.
func TestHeld(t *testing.T) {
	two := int32(2)
	meta := metav1.ObjectMeta{Name: "db", Namespace: "shop"}
	set := func(s appsv1.StatefulSetUpdateStrategy) *appsv1.StatefulSet {
		return &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &two, UpdateStrategy: s}}
	}
	for want, got := range map[string]string{
		"kubectl -n shop rollout resume": held(&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Paused: true}}, nil),
		"delete pod, db-0 db-1":          held(set(appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}), []string{"db-0", "db-1"}),
		"each of them":                   held(&appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}}}, nil),
		"keeps 1 of 2 pods":              held(set(appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: new(int32(1))}}), nil),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	for _, o := range []*appsv1.StatefulSet{set(appsv1.StatefulSetUpdateStrategy{}), set(appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{}})} {
		if got := held(o, nil); got != "" {
			t.Errorf("it replaces its pods, and %q", got)
		}
	}
}

// TestWatchHeld: a Deployment that is paused before its rollout is complete is not waited for, neither from the start nor when that comes later.
func TestWatchHeld(t *testing.T) {
	paused := func(d *appsv1.Deployment) {
		d.Spec.Paused, d.Status.UpdatedReplicas = true, 0
	}
	w := newWorld(t, func(d *appsv1.Deployment, _ *corev1.Pod) { paused(d) })
	if proof, err := w.Proof(t.Context()); err == nil || !strings.Contains(err.Error(), "is paused") {
		t.Errorf("%+v, %v", proof, err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		time.AfterFunc(5*time.Second, func() { w.edit(t, paused) })
		if v, took := w.watched(t); v.Outcome != Open || !strings.Contains(v.Why, "rollout resume") || took > time.Minute {
			t.Errorf("after %s: %+v", took, v)
		}
	})
}

// read returns the Deployment.
func (w *world) read(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	u, err := w.client.Resource(deployments).Namespace("shop").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Error(err)
	}
	return u
}

// edit changes the Deployment.
func (w *world) edit(t *testing.T, change func(*appsv1.Deployment)) {
	t.Helper()
	u := w.read(t)
	var d appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &d); err != nil {
		t.Error(err)
		return
	}
	change(&d)
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&d)
	if err != nil {
		t.Error(err)
		return
	}
	if err := keep(w.client, &unstructured.Unstructured{Object: fields}); err != nil {
		t.Error(err)
	}
}

// TestForesee: what a plan makes of the watched thing is what will be waited for.
func TestForesee(t *testing.T) {
	same := func(*appsv1.Deployment) {}
	for name, test := range map[string]struct {
		now, then func(*appsv1.Deployment)
		stand     time.Duration
		says      string // why not; "": it is watched
	}{
		"from no pods": {now: func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) }, then: same, stand: 65 * time.Second},
		"to no pods":   {now: same, then: func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) }, says: "wants no pods"},
		"another probe": {now: same, then: func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].LivenessProbe = &corev1.Probe{PeriodSeconds: 50}
		}, stand: 100 * time.Second},
		"a probe of a native sidecar": {now: same, then: func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.InitContainers = []corev1.Container{
				{Name: "proxy", RestartPolicy: new(corev1.ContainerRestartPolicyAlways), StartupProbe: &corev1.Probe{PeriodSeconds: 60}},
			}
		}, stand: 120 * time.Second},
		"it goes on": {now: func(d *appsv1.Deployment) { d.Spec.Paused, d.Status.UpdatedReplicas = true, 0 }, then: same, stand: 65 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(d *appsv1.Deployment, _ *corev1.Pod) {
				test.now(d)
			})
			live := w.read(t)
			w.edit(t, func(d *appsv1.Deployment) { d.Spec.Replicas, d.Spec.Paused = new(int32(1)), false })
			w.edit(t, test.then)
			would := w.read(t)
			if err := keep(w.client, live); err != nil {
				t.Fatal(err)
			}
			proof, err := w.Foresee(t.Context(), &Plan{Live: live, Would: would})
			if test.says == "" && (err != nil || proof.Stand != test.stand) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%+v, %v", proof, err)
			}
		})
	}
}

// TestUndoneByOthers: a change that somebody takes back is no cure, however well the pods are.
func TestUndoneByOthers(t *testing.T) {
	act := &Record{ID: "a", Object: Object{"Deployment", "shop", "web", "d"}, Undo: Undo{Patch: []Op{{"test", "/spec/minReadySeconds", float64(5)}, {"replace", "/spec/minReadySeconds", float64(3)}}}}
	for seconds, want := range map[int32]struct {
		outcome Outcome
		says    string
	}{5: {Cured, ""}, 3: {Moot, "kubectl-edit set it back: /spec/minReadySeconds"}, 9: {Moot, "kubectl-edit changed it again"}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(d *appsv1.Deployment, _ *corev1.Pod) { d.Spec.MinReadySeconds = 5 })
			w.Act = act
			time.AfterFunc(5*time.Second, func() {
				w.edit(t, func(d *appsv1.Deployment) {
					now := metav1.Now()
					d.Spec.MinReadySeconds = seconds
					d.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl-edit", Time: &now, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:minReadySeconds":{}}}`)}}
				})
			})
			if v, _ := w.watched(t); v.Outcome != want.outcome || !strings.Contains(v.Why, want.says) {
				t.Errorf("%d: %+v", seconds, v)
			}
		})
	}
}

// TestWatchTrouble: a look that fails is made again, and only one that fails to the end leaves the question open.
func TestWatchTrouble(t *testing.T) {
	for name, test := range map[string]struct {
		resource string
		fails    time.Duration
		want     Outcome
	}{
		"for a while":       {"deployments", 30 * time.Second, Cured},
		"to the end":        {"deployments", time.Hour, Blind},
		"pods, for a while": {"pods", 30 * time.Second, Cured},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				begun := time.Now().Add(5 * time.Second)
				w.client.PrependReactor("*", test.resource, func(clienttesting.Action) (bool, runtime.Object, error) {
					since := time.Since(begun)
					return since > 0 && since < test.fails, nil, errors.New("connection refused")
				})
				v, _ := w.watched(t)
				if v.Outcome != test.want {
					t.Errorf("%+v", v)
				}
				told := slices.IndexFunc(w.said, func(s string) bool { return strings.Contains(s, "connection refused; trying again until") })
				if told < 0 || len(w.said) > 4 {
					t.Errorf("it said %q", w.said)
				}
			})
		})
	}
}
