// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A scene is a pod with one container as an API server tells of it, by seconds since its start.
type scene struct {
	probes  Probes
	age     int           // when it was looked at
	ready   int           // since when it is ready; 0: it is not
	started bool          // the startup probe has succeeded
	ended   int           // when the run before the present one was; 0: there was none, and this is the first
	events  []sceneEvent  //
	taken   time.Duration // later than age, so that Events are gone
	unread  bool          // its Events were not read
}

type sceneEvent struct {
	message     string
	first, last int
	count       int32
}

var zero = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func at(second int) metav1.Time { return metav1.NewTime(zero.Add(time.Duration(second) * s)) }

// snapshot is the scene. Where a run has ended, that began at 0 and the present one ten seconds after its end.
func (c *scene) snapshot() *evidence.Snapshot {
	yes := true
	meta := metav1.ObjectMeta{
		Namespace: "shop", Name: "web-1", UID: "u", Labels: map[string]string{"pod-template-hash": "r"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web", Controller: &yes}},
	}
	container := corev1.Container{Name: "app", StartupProbe: c.probes.Startup, LivenessProbe: c.probes.Liveness, ReadinessProbe: c.probes.Readiness}
	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{container}}}
	owner := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	owner.Spec.Template.Spec = pod.Spec
	st := corev1.ContainerStatus{Name: "app", Ready: c.ready > 0, Started: &c.started}
	st.State.Running = &corev1.ContainerStateRunning{StartedAt: at(0)}
	if c.ended > 0 {
		st.RestartCount = 1
		st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{StartedAt: at(0), FinishedAt: at(c.ended), ExitCode: 137, Reason: "Error"}
		st.State.Running.StartedAt = at(c.ended + 10)
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{st}
	if c.ready > 0 {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: at(c.ready)}}
	}
	snap := &evidence.Snapshot{
		Taken: at(c.age).Add(c.taken), Has: evidence.Spec | evidence.Status | evidence.Events, Objects: []evidence.Object{pod, owner},
	}
	all := c.events
	if !c.unread {
		all = append([]sceneEvent{{message: "Container started"}}, all...)
	}
	for i, e := range all {
		reason, kind := "Unhealthy", "Warning"
		if e.count == 0 {
			reason, kind, e.count = "Killing", "Normal", 1
		}
		if e.message == "Container started" {
			reason = "Started"
		} else if strings.Contains(e.message, " probe warning: ") {
			reason = "ProbeWarning"
		}
		snap.Events = append(snap.Events, &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: string(rune('a' + i))},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-1", UID: "u", FieldPath: "spec.containers{app}"},
			Reason:         reason, Type: kind, Message: e.message, Count: e.count, FirstTimestamp: at(e.first), LastTimestamp: at(e.last),
			Source: corev1.EventSource{Component: "kubelet", Host: "n1"},
		})
	}
	return snap.Freeze()
}

// A told is a scene and what is known of its first run.
type told struct {
	scene
	lives, ready, lived time.Duration
	by                  evidence.Orderer
	pauses              []Span
	silent              bool
}

// TestRead: what is known of a start by what an API server tells.
func TestRead(t *testing.T) {
	guarded := Probes{Startup: ask(0, 5, 1, 30), Liveness: ask(0, 10, 1, 3)}
	alone := Probes{Liveness: ask(0, 10, 1, 3), Readiness: ask(0, 5, 1, 3)}
	refused := "Startup probe failed: Get \"http://10.0.0.1:8080/healthz\": dial tcp 10.0.0.1:8080: connect: connection refused"
	failing := "Liveness probe failed: Get \"http://10.0.0.1:8080/healthz\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
	for name, c := range map[string]told{
		"a period after the last failure": {
			scene: scene{probes: guarded, age: 300, started: true, ready: 31, events: []sceneEvent{{refused, 4, 24, 5}}},
			lives: 29 * s, ready: 31 * s, lived: 300 * s,
		},
		"by the first try": {
			scene: scene{probes: guarded, age: 300, started: true, ready: 6},
			lives: 5 * s, ready: 6 * s, lived: 300 * s,
		},
		"by when it was ready, as Events were not read": {
			scene: scene{probes: guarded, age: 300, started: true, ready: 16, unread: true},
			lives: 16 * s, ready: 16 * s, lived: 300 * s,
		},
		"not yet": {
			scene: scene{probes: guarded, age: 40, events: []sceneEvent{{refused, 4, 39, 8}}},
			lives: Never, ready: Never, lived: 40 * s,
		},
		"by when it was ready, as Events are gone": {
			scene: scene{probes: guarded, age: 300, started: true, ready: 62, taken: 3 * time.Hour},
			lives: 62 * s, ready: 62 * s, lived: 3*time.Hour + 300*s,
		},
		"ready long after is ready again": {
			scene: scene{probes: guarded, age: 90000, started: true, ready: 80000},
			lives: Never, ready: Never, lived: 90000 * s,
		},
		"without a startup probe": {
			scene: scene{probes: alone, age: 300, started: true, ready: 21, events: []sceneEvent{{failing, 3, 13, 2}}},
			lives: 21 * s, ready: 21 * s, lived: 300 * s, silent: true,
		},
		"a pause": {
			scene: scene{probes: guarded, age: 900, started: true, ready: 6, events: []sceneEvent{{failing, 610, 620, 2}}},
			lives: 5 * s, ready: 6 * s, lived: 900 * s, silent: true, pauses: []Span{{610 * s, 640 * s}},
		},
		"several that count as one": {
			scene: scene{probes: guarded, age: 900, started: true, ready: 6, events: []sceneEvent{{failing, 110, 820, 9}}},
			lives: 5 * s, ready: 6 * s, lived: 900 * s, silent: true, pauses: []Span{{810 * s, 840 * s}},
		},
		"cut off by the startup probe": {
			scene: scene{probes: guarded, age: 200, ended: 150, events: []sceneEvent{{refused, 4, 149, 30}, {"Container app failed startup probe, will be restarted", 149, 149, 0}}},
			lives: Never, ready: Never, lived: 149 * s, by: evidence.ByStartup,
		},
		"cut off by the liveness probe": {
			scene: scene{probes: alone, age: 200, ended: 53, events: []sceneEvent{{failing, 3, 23, 3}, {"Container app failed liveness probe, will be restarted", 23, 23, 0}}},
			lives: Never, ready: Never, lived: 23 * s, by: evidence.ByLiveness, silent: true,
		},
		"hung": {
			scene: scene{probes: guarded, age: 800, ended: 750, events: []sceneEvent{{refused, 4, 14, 3}, {failing, 700, 720, 3}, {"Container app failed liveness probe, will be restarted", 720, 720, 0}}},
			lives: 19 * s, ready: Never, lived: 720 * s, by: evidence.ByLiveness, silent: true,
		},
	} {
		t.Run(name, func(t *testing.T) { c.check(t) })
	}
}

func (c *told) check(t *testing.T) {
	list := Read(c.snapshot())
	if len(list) != 1 || len(list[0].Starts) == 0 {
		t.Fatalf("read %+v", list)
	}
	o := list[0]
	if o.About.String() != "statefulset/web[app]" || o.Target != o.About.Object() {
		t.Errorf("it is about %s, and would change %s", o.About, o.Target)
	}
	want := Start{
		Of: evidence.RefTo("Pod", "shop", "web-1").InContainer("app").InAttempt(0), Pod: "u", Revision: "r", Probes: c.probes, Began: zero,
		Lives: c.lives, Ready: c.ready, Lived: c.lived, Ended: c.ended > 0, By: c.by, Pauses: c.pauses, Silent: c.silent,
	}
	if diff := cmp.Diff(want, o.Starts[0]); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

// TestAdd: what two snapshots tell of one run is one start, with what either knows.
func TestAdd(t *testing.T) {
	guarded := Probes{Startup: ask(0, 5, 1, 30), Liveness: ask(0, 10, 1, 3)}
	before := scene{probes: guarded, age: 100, started: true, ready: 6}
	after := scene{probes: guarded, age: 800, ended: 750}
	list := Add(Add(nil, after.snapshot()), before.snapshot())
	if len(list) != 1 || len(list[0].Starts) != 2 {
		t.Fatalf("read %+v", list)
	}
	if got := list[0].Starts[0]; got.Lives != 5*s || !got.Ended || got.Lived != 750*s {
		t.Errorf("read %+v", got)
	}
}

// TestChecks: what is wrong with what probes ask, and what is not.
func TestChecks(t *testing.T) {
	port := func(p corev1.ContainerPort) []corev1.ContainerPort { return []corev1.ContainerPort{p} }
	other := ask(0, 10, 1, 3)
	other.HTTPGet.Path = "/readyz"
	run := func(words ...string) *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: 10, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: words}}}
	}
	named := ask(0, 10, 1, 3)
	named.HTTPGet.Port.Type, named.HTTPGet.Port.StrVal, named.HTTPGet.Port.IntVal = 1, "http", 0
	for name, c := range map[string]struct {
		spec corev1.Container
		want []string
	}{
		"well":                {corev1.Container{LivenessProbe: ask(0, 10, 1, 3), ReadinessProbe: other, Ports: port(corev1.ContainerPort{ContainerPort: 8080})}, nil},
		"the same":            {corev1.Container{LivenessProbe: ask(0, 10, 1, 3), ReadinessProbe: ask(0, 10, 1, 2)}, []string{"livenessProbe"}},
		"the same, sooner":    {corev1.Container{LivenessProbe: ask(0, 10, 1, 3), ReadinessProbe: ask(0, 5, 1, 3)}, nil},
		"no liveness":         {corev1.Container{ReadinessProbe: other}, nil},
		"asks for all":        {corev1.Container{LivenessProbe: other, ReadinessProbe: ask(0, 10, 1, 3)}, []string{"livenessProbe"}},
		"asks a database":     {corev1.Container{LivenessProbe: run("sh", "-c", "pg_isready -h db.shop"), ReadinessProbe: other}, []string{"livenessProbe"}},
		"asks itself":         {corev1.Container{LivenessProbe: run("pg_isready", "-h", "127.0.0.1"), ReadinessProbe: other}, nil},
		"asks another server": {corev1.Container{LivenessProbe: run("curl", "-f", "http://auth:8080/ok"), ReadinessProbe: other}, []string{"livenessProbe"}},
		"asks its own":        {corev1.Container{LivenessProbe: run("curl", "-f", "http://localhost:8080/ok"), ReadinessProbe: other}, nil},
		"starts Java":         {corev1.Container{LivenessProbe: run("/bin/sh", "-c", "java -jar check.jar"), ReadinessProbe: other}, []string{"livenessProbe"}},
		"no such port name":   {corev1.Container{LivenessProbe: named, ReadinessProbe: other, Ports: port(corev1.ContainerPort{Name: "web", ContainerPort: 8080})}, []string{"livenessProbe"}},
		"another port":        {corev1.Container{LivenessProbe: ask(0, 10, 1, 3), ReadinessProbe: other, Ports: port(corev1.ContainerPort{ContainerPort: 9090})}, []string{"livenessProbe", "readinessProbe"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range check(&Subject{Container: advise.Container{Spec: c.spec}}) {
				got = append(got, c.Field)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}
