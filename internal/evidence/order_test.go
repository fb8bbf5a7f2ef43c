// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	livenessKill = "Container app failed liveness probe, will be restarted"
	startupKill  = "Container app failed startup probe, will be restarted"
)

// kubeletEvent returns an Event of the kubelet about container app of pod web.
func kubeletEvent(n int, reason, message string, first, last, count int) *corev1.Event {
	kind := "Normal"
	if reason == "Unhealthy" {
		kind = "Warning"
	}
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("web.%d", n)},
		InvolvedObject: corev1.ObjectReference{
			Kind: "Pod", Namespace: "shop", Name: "web", UID: "u1", FieldPath: "spec.containers{app}",
		},
		Type: kind, Reason: reason, Message: message, FirstTimestamp: at(first), LastTimestamp: at(last), Count: int32(count),
		ReportingController: "kubelet",
	}
}

func TestOrderFor(t *testing.T) {
	for _, tt := range []struct {
		name     string
		events   []*corev1.Event
		code     int32
		by       Orderer
		inferred bool
		expired  bool // the grace period of 30 s was seen to pass
	}{
		{"none", nil, 137, "", false, false},
		{"honoured", []*corev1.Event{kubeletEvent(1, "Killing", livenessKill, -11, -11, 1)}, 143, ByLiveness, false, false},
		{"grace expired", []*corev1.Event{kubeletEvent(1, "Killing", livenessKill, -41, -41, 1)}, 137, ByLiveness, false, true},
		{"first of a merged pair", []*corev1.Event{kubeletEvent(1, "Killing", startupKill, -15, -2, 2)}, 143, ByStartup, false, false},
		{"before this life", []*corev1.Event{kubeletEvent(1, "Killing", livenessKill, -300, -300, 1)}, 137, "", false, false},
		{"after this life", []*corev1.Event{kubeletEvent(1, "Killing", livenessKill, -2, -2, 1)}, 137, "", false, false},
		{"series that spans this life", []*corev1.Event{kubeletEvent(1, "Killing", livenessKill, -300, -2, 9)}, 137, ByLiveness, true, false},
		{"an exit code that no order brings about", []*corev1.Event{kubeletEvent(1, "Killing", livenessKill, -300, -2, 9)}, 1, "", false, false},
		{"dropped, an older order", []*corev1.Event{
			kubeletEvent(1, "Killing", livenessKill, -900, -300, 4), kubeletEvent(2, "Started", "Container started", -900, -300, 21),
		}, 137, ByLiveness, true, false},
		{"not dropped, an older order", []*corev1.Event{
			kubeletEvent(1, "Killing", livenessKill, -900, -300, 4), kubeletEvent(2, "Started", "Container started", -900, -300, 4),
		}, 137, "", false, false},
		{"dropped, a failing probe", []*corev1.Event{
			kubeletEvent(1, "Unhealthy", "Startup probe failed: x", -900, -12, 90), kubeletEvent(2, "Started", "Container started", -900, -300, 25),
		}, 143, ByStartup, true, false},
		{"dropped, a failing readiness probe", []*corev1.Event{
			kubeletEvent(1, "Unhealthy", "Readiness probe failed: x", -900, -12, 90), kubeletEvent(2, "Started", "Container started", -900, -300, 25),
		}, 143, "", false, false},
		{"deletion", []*corev1.Event{kubeletEvent(1, "Killing", "Stopping container app", -10, -10, 1)}, 143, ByStop, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pod := podWith(corev1.ContainerStatus{RestartCount: 8,
				State:                corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(-9)}},
				LastTerminationState: corev1.ContainerState{Terminated: terminated(tt.code, "Error", -60, -10)}})
			s := (&Snapshot{Taken: noon, Objects: []Object{pod}, Events: tt.events}).Freeze()
			a := s.Attempts(web)[0]
			order, ok := s.OrderFor(a)
			if ok != (tt.by != "") || order.By != tt.by || order.Inferred != tt.inferred || order.By != "" && order.GraceExpired(a) != tt.expired {
				t.Errorf("order by %q, inferred %t, grace expired %t; want %q, %t, %t",
					order.By, order.Inferred, order.GraceExpired(a), tt.by, tt.inferred, tt.expired)
			}
		})
	}
}

// TestOrderInTheSecondOfTheStart: an agent tells the start of a run to the nanosecond, an Event its second.
func TestOrderInTheSecondOfTheStart(t *testing.T) {
	pod := podWith(corev1.ContainerStatus{RestartCount: 1})
	run := Attempt{Of: web.InContainer("app").InAttempt(0), Started: noon.Add(-9700 * time.Millisecond), Finished: noon.Add(-9300 * time.Millisecond), ExitCode: 255, Where: FromRuntime.String()}
	for message, want := range map[string]bool{"Stopping container app": true, livenessKill: false} {
		e := kubeletEvent(1, "Killing", message, -10, -10, 1)
		s := (&Snapshot{Taken: noon, Objects: []Object{pod}, Runs: []Attempt{run}, Events: []*corev1.Event{e}}).Freeze()
		if _, ok := s.OrderFor(run); ok != want {
			t.Errorf("%s: ordered is %t", message, ok)
		}
	}
}

func TestEventsOfAnEarlierPodOfTheNameDoNotCount(t *testing.T) {
	e := kubeletEvent(1, "Killing", livenessKill, -10, -10, 1)
	e.InvolvedObject.UID = "another"
	s := (&Snapshot{Taken: noon, Objects: []Object{podWith(corev1.ContainerStatus{})}, Events: []*corev1.Event{e}}).Freeze()
	if got := s.EventsAbout(web); len(got) != 0 {
		t.Errorf("%d Events, want none", len(got))
	}
}

func TestGraceIsTheProbesOwnThenTheDeletionsThenThePods(t *testing.T) {
	seconds := func(n int64) *int64 { return &n }
	pod := podWith(corev1.ContainerStatus{})
	pod.Spec.Containers[0].LivenessProbe = &corev1.Probe{TerminationGracePeriodSeconds: seconds(3)}
	check := func(by Orderer, want time.Duration) {
		t.Helper()
		if got := graceOf(pod, "app", by); got != want {
			t.Errorf("grace by %s is %s, want %s", by, got, want)
		}
	}
	check(ByStartup, 30*time.Second)
	pod.Spec.TerminationGracePeriodSeconds = seconds(20)
	check(ByStartup, 20*time.Second)
	check(ByLiveness, 3*time.Second)
	pod.DeletionGracePeriodSeconds = seconds(7)
	check(ByStop, 7*time.Second)
	check(ByLiveness, 3*time.Second)
	pod.DeletionGracePeriodSeconds = seconds(0) // what the kubelet leaves when everything has ended
	check(ByStop, 20*time.Second)
}

func TestWhatEventsCannotTell(t *testing.T) {
	death := func(finished int) *corev1.Pod {
		return podWith(corev1.ContainerStatus{RestartCount: 4,
			State:                corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(-9)}},
			LastTerminationState: corev1.ContainerState{Terminated: terminated(137, "Error", finished-60, finished)}})
	}
	for _, tt := range []struct {
		name   string
		pod    *corev1.Pod
		events []*corev1.Event
		lacks  bool
	}{
		{"fresh", death(-30), nil, false},
		{"older than Events live", death(-7200), nil, true},
		{"old, but Events of before are kept", death(-7200), []*corev1.Event{kubeletEvent(1, "Started", "Container started", -7260, -7260, 1)}, false},
		{"dropped", death(-30), []*corev1.Event{kubeletEvent(1, "Started", "Container started", -900, -300, 25)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := (&Snapshot{Taken: noon, Has: Events, Objects: []Object{tt.pod}, Events: tt.events}).Freeze()
			if got := s.Lacks(Events, web.InAttempt(3)) != 0; got != tt.lacks {
				t.Errorf("lacks Events is %t, want %t", got, tt.lacks)
			}
		})
	}
}
