// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) metav1.Time {
	return metav1.NewTime(noon.Add(time.Duration(seconds) * time.Second))
}

func terminated(code int32, reason string, from, to int) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, StartedAt: at(from), FinishedAt: at(to)}
}

// podWith returns a pod with one container named app in that state.
func podWith(st corev1.ContainerStatus) *corev1.Pod {
	st.Name = "app"
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u1"},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{{Name: "app"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{st}},
	}
}

var web = RefTo("Pod", "shop", "web").InContainer("app")

func TestAttemptsAreNumberedByTheRestartCount(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(-5)}}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	last := corev1.ContainerState{Terminated: terminated(1, "Error", -20, -10)}
	lost := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"}}
	for _, tt := range []struct {
		name   string
		status corev1.ContainerStatus
		want   []int // the numbers of the attempts
		ended  []bool
	}{
		{"first run", corev1.ContainerStatus{State: running}, []int{0}, []bool{false}},
		{"runs again", corev1.ContainerStatus{RestartCount: 3, State: running, LastTerminationState: last}, []int{2, 3}, []bool{true, false}},
		{"backs off", corev1.ContainerStatus{RestartCount: 3, State: waiting, LastTerminationState: last}, []int{3}, []bool{true}},
		{"just ended", corev1.ContainerStatus{RestartCount: 3, State: last, LastTerminationState: last}, []int{2, 3}, []bool{true, true}},
		{"lost", corev1.ContainerStatus{RestartCount: 1, State: waiting, LastTerminationState: lost}, []int{0}, []bool{true}},
		{"not yet", corev1.ContainerStatus{State: waiting}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := attemptsOf(podWith(tt.status))
			if len(got) != len(tt.want) {
				t.Fatalf("%d attempts, want %d", len(got), len(tt.want))
			}
			for i, a := range got {
				if a.Of != web.InAttempt(tt.want[i]) || a.Ended() != tt.ended[i] {
					t.Errorf("attempt %d is %s, ended %t, want #%d, %t", i, a.Of, a.Ended(), tt.want[i], tt.ended[i])
				}
			}
		})
	}
}

func TestASignalIsReadFromTheExitCode(t *testing.T) {
	for code, want := range map[int32]int{0: 0, 1: 0, 128: 0, 137: 9, 143: 15, 139: 11, 255: 0} {
		if got := ended(web, "", terminated(code, "Error", -2, -1)).Signal; got != want {
			t.Errorf("exit code %d: signal %d, want %d", code, got, want)
		}
	}
}

func TestExpectedEnds(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	job := func(state corev1.ContainerState) *corev1.Pod {
		p := podWith(corev1.ContainerStatus{State: state})
		p.Spec.RestartPolicy = corev1.RestartPolicyNever
		return p
	}
	withSidecar := func(sidecarEnds int) *corev1.Pod {
		p := job(corev1.ContainerState{Terminated: terminated(0, "Completed", -60, -30)})
		p.Spec.InitContainers = []corev1.Container{{Name: "proxy", RestartPolicy: &always}}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{
			Name: "proxy", State: corev1.ContainerState{Terminated: terminated(137, "Error", -60, sidecarEnds)},
		}}
		return p
	}
	restarted := func(runs int) *corev1.Pod {
		return podWith(corev1.ContainerStatus{
			RestartCount: 1, Ready: true,
			State:                corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(-runs)}},
			LastTerminationState: corev1.ContainerState{Terminated: terminated(1, "Error", -9000, -runs)},
		})
	}
	for _, tt := range []struct {
		name   string
		pod    *corev1.Pod
		deaths int
	}{
		{"a completed job", job(corev1.ContainerState{Terminated: terminated(0, "Completed", -9, -3)}), 0},
		{"a failed job", job(corev1.ContainerState{Terminated: terminated(1, "Error", -9, -3)}), 1},
		{"exit 0 that was out of memory", job(corev1.ContainerState{Terminated: terminated(0, "OOMKilled", -9, -3)}), 1},
		{"exit 0 under Always", podWith(corev1.ContainerStatus{State: corev1.ContainerState{Terminated: terminated(0, "Completed", -9, -3)}}), 1},
		{"a sidecar that ended after the job", withSidecar(-29), 0},
		{"a sidecar that ended before the job", withSidecar(-31), 1},
		{"one restart long ago", restarted(3600), 0},
		{"one restart just now", restarted(60), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := (&Snapshot{Taken: noon, Objects: []Object{tt.pod}}).Freeze()
			if got := len(s.Deaths(RefOf(tt.pod))); got != tt.deaths {
				t.Errorf("%d deaths, want %d", got, tt.deaths)
			}
			if got := Troubled(tt.pod, noon); got != (tt.deaths > 0) {
				t.Errorf("troubled is %t with %d deaths", got, tt.deaths)
			}
		})
	}
}

// TestWhichEndStandsForAll has ends that are alike, of which an older one has a log.
func TestWhichEndStandsForAll(t *testing.T) {
	for name, c := range map[string]struct {
		code   int
		reason string
		logs   []int
		want   int
	}{
		"all without":           {1, "Error", nil, 3},
		"the newest has one":    {1, "Error", []int{1, 3}, 3},
		"older ones":            {1, "Error", []int{0, 1}, 1},
		"killed":                {137, "Error", []int{1}, 3},
		"ended":                 {143, "Error", []int{1}, 3},
		"marked":                {1, "OOMKilled", []int{1}, 3},
		"one that is not known": {1, "Error", []int{7}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podWith(corev1.ContainerStatus{RestartCount: 3, State: corev1.ContainerState{Terminated: terminated(int32(c.code), c.reason, -20, -10)}})
			of := RefOf(pod).InContainer("app")
			s := &Snapshot{Taken: noon, Objects: []Object{pod}}
			for n := range 3 {
				s.Runs = append(s.Runs, Attempt{Of: of.InAttempt(n), Finished: noon.Add(-time.Minute), ExitCode: c.code, Reason: c.reason, Where: FromRuntime.String()})
			}
			for _, n := range c.logs {
				s.Logs = append(s.Logs, Log{Of: of.InAttempt(n), Text: "words"})
			}
			if got := s.Freeze().Deaths(RefOf(pod)); len(got) != 1 || got[0].Of.Attempt != c.want {
				t.Errorf("they are %v", got)
			}
		})
	}
}

// TestRunsOfTheRuntimeAreInOrder has more runs than the status tells of: before its own, after them, and of a container that
// it has no word of, as of a pod that was evicted.
func TestRunsOfTheRuntimeAreInOrder(t *testing.T) {
	pod := podWith(corev1.ContainerStatus{RestartCount: 2, State: corev1.ContainerState{Terminated: terminated(1, "Error", -20, -10)}})
	run := func(container string, n, code int) Attempt {
		return Attempt{Of: RefOf(pod).InContainer(container).InAttempt(n), Finished: noon, ExitCode: code, Where: FromRuntime.String()}
	}
	s := &Snapshot{Taken: noon, Objects: []Object{pod}}
	for _, n := range []int{1, 0, 3, 2} {
		s.Runs = append(s.Runs, run("app", n, 137), run("proxy", n, 143))
	}
	s.Freeze()
	for range 2 {
		var got []string
		for _, a := range s.Attempts(RefOf(pod)) {
			got = append(got, fmt.Sprintf("%s#%d %d", a.Of.Container, a.Of.Attempt, a.ExitCode))
		}
		want := "app#0 137, app#1 137, app#2 1, app#3 137, proxy#0 143, proxy#1 143, proxy#2 143, proxy#3 143"
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		s.Freeze()
	}
	for _, a := range s.Attempts(RefOf(pod).InContainer("app").InAttempt(2)) {
		if !a.Finished.Equal(noon) || !a.Started.Equal(noon.Add(-20*time.Second)) {
			t.Errorf("its times are %v and %v", a.Started, a.Finished)
		}
	}
}
