// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A world is a Deployment of one pod that was changed a moment ago, as a Watch sees it.
type world struct {
	*Watch
	client *fake.FakeDynamicClient
	said   []string
	causes []diagnosis.Cause // what a diagnosis finds
}

var web = evidence.RefTo("Deployment", "shop", "web")

func newWorld(t *testing.T, change func(*appsv1.Deployment, *corev1.Pod)) *world {
	t.Helper()
	one := int32(1)
	labels := map[string]string{"app": "web"}
	d := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "d", Generation: 2},
		Spec: appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", LivenessProbe: &corev1.Probe{PeriodSeconds: 30, InitialDelaySeconds: 5},
		}}}}},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1},
	}
	set := func(name, revision string) *appsv1.ReplicaSet {
		return &appsv1.ReplicaSet{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
			ObjectMeta: metav1.ObjectMeta{
				Name: "web-" + name, Namespace: "shop", Labels: map[string]string{"app": "web", "pod-template-hash": name}, Annotations: map[string]string{"deployment.kubernetes.io/revision": revision},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
			},
		}
	}
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "web-new-a", Namespace: "shop", CreationTimestamp: metav1.Now(), Labels: map[string]string{"app": "web", "pod-template-hash": "new"}},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: d.Spec.Template.Spec.Containers},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app"}},
		},
	}
	if change != nil {
		change(d, pod)
	}
	w := &world{client: fake.NewSimpleDynamicClient(scheme.Scheme, d, set("old", "9"), set("new", "10"), pod)}
	w.Watch = &Watch{
		Cluster: &Cluster{Objects: w.client, Mask: func(runtime.Object) int { return 0 }, Now: time.Now},
		Subject: web, Since: time.Now(), Rule: "MEM001",
		Diagnose: func(context.Context) ([]diagnosis.Cause, error) { return w.causes, nil },
		Tell:     func(s string) { w.said = append(w.said, s) },
	}
	return w
}

// watched runs a Watch to its end, for ten minutes at most.
func (w *world) watched(t *testing.T) (Verdict, time.Duration) {
	t.Helper()
	proof, err := w.Proof(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	begun := time.Now()
	v := w.Run(ctx, proof)
	return v, time.Since(begun)
}

func died(rule, pod string, at time.Time) diagnosis.Cause {
	return diagnosis.Cause{Finding: diagnosis.Finding{
		Rule: &diagnosis.Rule{ID: rule}, Confidence: diagnosis.Certain, About: evidence.RefTo("Pod", "shop", pod).InContainer("app"), At: at, Message: "it died",
	}}
}

func ended(pod *corev1.Pod, at time.Time) {
	pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", FinishedAt: metav1.NewTime(at)}
	pod.Status.ContainerStatuses[0].RestartCount = 1
}

// A watching is one course of things after a change.
type watching struct {
	change func(*appsv1.Deployment, *corev1.Pod)
	lived  time.Duration
	causes func() []diagnosis.Cause
	any    bool // no rule is named
	want   Outcome
	says   string
	least  time.Duration // how long it takes at least
}

var watchings = map[string]watching{
	"cured after two periods of its probes": {want: Cured, least: 65 * time.Second},
	"cured after as long as attempts lived": {lived: 4 * time.Minute, want: Cured, least: 6 * time.Minute},
	"what ended before does not count": {
		change: func(_ *appsv1.Deployment, p *corev1.Pod) { ended(p, time.Now().Add(-time.Minute)) },
		causes: func() []diagnosis.Cause {
			return []diagnosis.Cause{died("MEM001", "web-new-a", time.Now().Add(-time.Minute)), died("MEM001", "web-old-a", time.Now())}
		},
		want: Cured, least: 65 * time.Second,
	},
	"the same cause of a new pod": {
		change: func(_ *appsv1.Deployment, p *corev1.Pod) { ended(p, time.Now().Add(time.Second)) },
		causes: func() []diagnosis.Cause {
			c := died("CHG001", "web-new-a", time.Now())
			c.Leads = []diagnosis.Cause{died("MEM001", "web-new-a", time.Now().Add(time.Second))}
			return []diagnosis.Cause{c}
		},
		want: Back, says: "the same cause is back",
	},
	"a death in the second of the change": {
		change: func(_ *appsv1.Deployment, p *corev1.Pod) { ended(p, time.Now()) },
		causes: func() []diagnosis.Cause { return []diagnosis.Cause{died("MEM001", "web-new-a", time.Now())} },
		want:   Back, says: "the same cause is back",
	},
	"another cause keeps it from living": {
		change: func(d *appsv1.Deployment, p *corev1.Pod) {
			d.Status.AvailableReplicas = 0
			p.Status.Conditions = nil
			p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}
		},
		causes: func() []diagnosis.Cause { return []diagnosis.Cause{died("IMG001", "web-new-a", time.Now())} },
		want:   Other, says: "IMG001", least: 20 * time.Second,
	},
	"a new cause where none was named": {
		causes: func() []diagnosis.Cause {
			return []diagnosis.Cause{died("PRB004", "web-new-a", time.Now().Add(time.Minute))}
		},
		any: true, want: Other, says: "finds a cause of trouble: PRB004", least: 65 * time.Second,
	},
	"a cause from before it stood": {
		causes: func() []diagnosis.Cause {
			return []diagnosis.Cause{died("PRB004", "web-new-a", time.Now().Add(-time.Minute)), died("MEM001", "web-old-a", time.Now().Add(time.Minute))}
		},
		any: true, want: Cured, least: 65 * time.Second,
	},
	"a cause when the time is over and none was named": {
		change: func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status.ObservedGeneration = 1 },
		causes: func() []diagnosis.Cause {
			c := died("MEM001", "", time.Now().Add(time.Second))
			c.About = web
			return []diagnosis.Cause{c}
		},
		any: true, want: Other, says: "the time is over, and a diagnosis finds a cause of trouble: MEM001", least: 10 * time.Minute,
	},
	"a rollout that does not end": {
		change: func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status.UpdatedReplicas = 0 },
		want:   Open, says: "0 of 1 pods are of the new revision", least: 10 * time.Minute,
	},
	"the cause is there when the time is over": {
		change: func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status.ObservedGeneration = 1 },
		causes: func() []diagnosis.Cause {
			c := died("MEM001", "", time.Now().Add(-time.Hour))
			c.About = web
			return []diagnosis.Cause{c}
		},
		want: Back, says: "still there", least: 10 * time.Minute,
	},
}

func TestWatch(t *testing.T) {
	for name, test := range watchings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, test.change)
				w.Lived = test.lived
				if test.any {
					w.Rule = ""
				}
				if test.causes != nil {
					w.causes = test.causes()
				}
				v, took := w.watched(t)
				if v.Outcome != test.want || !strings.Contains(v.Why, test.says) || took < test.least {
					t.Errorf("%s after %s, expected %s after %s at least: %s", v.Outcome, took, test.want, test.least, v.Why)
				}
				if len(w.said) == 0 {
					t.Error("it did not say what it waits for")
				}
			})
		})
	}
}

// TestWatchStops: whoever stops it is answered at once, and not told that the fix has failed.
func TestWatchStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		proof, err := w.Proof(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		v := w.Run(ctx, proof)
		if v.Outcome != Open || !strings.Contains(v.Why, "stopped") {
			t.Errorf("%+v", v)
		}
	})
}

// TestProof: what is waited for is said before, with the reason for how long.
func TestProof(t *testing.T) {
	for name, test := range map[string]struct {
		lived time.Duration
		want  time.Duration
		says  string
	}{
		"by the probes":   {0, 65 * time.Second, "twice the longest period of its probes"},
		"by the attempts": {2 * time.Minute, 3 * time.Minute, "earlier attempts lived for 2m0s at most"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.Lived = test.lived
			proof, err := w.Proof(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if proof.Stand != test.want || !slices.ContainsFunc(proof.Terms, func(s string) bool { return strings.Contains(s, test.says) }) {
				t.Errorf("%+v, expected %s with %q", proof, test.want, test.says)
			}
		})
	}
	w := newWorld(t, func(d *appsv1.Deployment, _ *corev1.Pod) { d.Spec.Replicas = new(int32) })
	if proof, err := w.Proof(t.Context()); err == nil || !strings.Contains(err.Error(), "wants no pods") {
		t.Errorf("of no pods: %v, %v", proof, err)
	}
	w = newWorld(t, nil)
	w.Subject.Name = "wbe"
	if proof, err := w.Proof(t.Context()); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("of nothing: %v, %v", proof, err)
	}
}

// TestBare: of what has no pods to watch a diagnosis must find nothing, in whatever pod and since whenever.
func TestBare(t *testing.T) {
	oom, other := &diagnosis.Rule{ID: "MEM001"}, &diagnosis.Rule{ID: "EXT001"}
	of := func(r *diagnosis.Rule, leads ...diagnosis.Cause) diagnosis.Cause {
		return diagnosis.Cause{Finding: diagnosis.Finding{Rule: r, About: evidence.RefTo("Pod", "shop", "nightly-1")}, Leads: leads}
	}
	for _, test := range []struct {
		kind, rule string
		causes     []diagnosis.Cause
		want       Outcome
	}{
		{"PersistentVolumeClaim", "MEM001", nil, Cured},
		{"PersistentVolumeClaim", "MEM001", []diagnosis.Cause{of(other)}, Cured},
		{"PersistentVolumeClaim", "MEM001", []diagnosis.Cause{of(other, of(oom))}, Back},
		{"PersistentVolumeClaim", "", []diagnosis.Cause{of(other)}, Other},
	} {
		w := &Watch{Subject: evidence.RefTo(test.kind, "shop", "nightly"), Rule: test.rule}
		if v, done := w.conclude(test.causes, sight{bare: true}, true, Proof{}); v.Outcome != test.want || !done {
			t.Errorf("%s, rule %q, %d causes: %+v, want %v", test.kind, test.rule, len(test.causes), v, test.want)
		}
	}
}
