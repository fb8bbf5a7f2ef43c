// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

var began = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// podWith returns a pod whose container app has been restarted n times and whose run before the present one ended.
func podWith(uid string, restarts int32, ended time.Time) *corev1.Pod {
	st := corev1.ContainerStatus{Name: "app", RestartCount: restarts, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	if !ended.IsZero() {
		st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", FinishedAt: metav1.NewTime(ended)}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0", UID: types.UID(uid), CreationTimestamp: metav1.NewTime(began)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{st},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

// saidToRun returns a pod whose status says that the run before the present one runs.
func saidToRun(pod *corev1.Pod) *corev1.Pod {
	pod.Status.ContainerStatuses[0].LastTerminationState.Running = &corev1.ContainerStateRunning{}
	return pod
}

// leaving returns a pod that is being deleted.
func leaving(pod *corev1.Pod) *corev1.Pod {
	pod.DeletionTimestamp = &metav1.Time{Time: began}
	return pod
}

// waitingPod returns a pod whose container waits to be started again after its run with the given number.
func waitingPod(uid string, restarts int32, ended time.Time) *corev1.Pod {
	pod := podWith(uid, restarts, ended)
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	return pod
}

// numbers returns what ended and what was missed.
func numbers(n News) string {
	text := ""
	for _, e := range n.Missed {
		text += fmt.Sprintf("-%d ", e.Number)
	}
	for _, e := range n.Ended {
		text += fmt.Sprintf("+%d ", e.Number)
	}
	return text
}

func TestLedger(t *testing.T) {
	at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Minute) }
	tests := []struct {
		name  string
		known []Known
		fresh bool
		pods  []*corev1.Pod
		want  string // for each state
	}{
		{"a first restart", nil, false, []*corev1.Pod{podWith("a", 0, time.Time{}), podWith("a", 1, at(1))}, ";+0 "},
		{"the same state again", nil, false, []*corev1.Pod{podWith("a", 1, at(1)), podWith("a", 1, at(1))}, "+0 ;"},
		{"three at once", nil, false, []*corev1.Pod{podWith("a", 1, at(1)), podWith("a", 4, at(5))}, "+0 ;-1 -2 +3 "},
		{"no history: what was before is no loss", nil, true, []*corev1.Pod{podWith("a", 7, at(0)), podWith("a", 8, at(9))}, "+6 ;+7 "},
		{"said to run until its end is told", nil, false, []*corev1.Pod{podWith("a", 0, time.Time{}), saidToRun(podWith("a", 1, time.Time{})), podWith("a", 1, at(1))}, ";;+0 "},
		{"said to run until nothing is told", nil, false, []*corev1.Pod{saidToRun(podWith("a", 1, time.Time{})), podWith("a", 1, time.Time{})}, ";-0 "},
		{"said to run until it is deleted", nil, false, []*corev1.Pod{saidToRun(podWith("a", 1, time.Time{})), leaving(saidToRun(podWith("a", 1, time.Time{})))}, ";-0 "},
		{"said to run until the count fell", nil, false, []*corev1.Pod{saidToRun(podWith("a", 1, time.Time{})), podWith("a", 0, time.Time{}), podWith("a", 1, at(3))}, ";-0 ;+1 "},
		{"known to the history", []Known{{"a", "", "app", 2, 0, time.Time{}}}, false, []*corev1.Pod{podWith("a", 3, at(1)), podWith("a", 4, at(2))}, ";+3 "},
		{"while it was away", []Known{{"a", "", "app", 2, 0, time.Time{}}}, false, []*corev1.Pod{podWith("a", 6, at(9))}, "-3 -4 +5 "},
		{"a count that fell", nil, false, []*corev1.Pod{podWith("a", 2, at(1)), podWith("a", 0, time.Time{}), podWith("a", 1, at(3))}, "-0 +1 ;;+2 "},
		{"fell, and told after a restart", []Known{{"a", "", "app", 2, 2, time.Time{}}}, false, []*corev1.Pod{podWith("a", 1, at(3)), podWith("a", 2, at(4))}, ";+3 "},
		{"fell by one while it was away", []Known{{"a", "", "app", 2, 0, at(1)}}, false, []*corev1.Pod{podWith("a", 2, at(3)), podWith("a", 3, at(4))}, "-3 +4 ;+5 "},
		{"fell by one, to what had not been restarted", []Known{{"a", "", "app", 0, 0, at(1)}}, false, []*corev1.Pod{podWith("a", 0, time.Time{}), podWith("a", 1, at(4))}, ";+1 "},
		{"fell by one, the last end is known", []Known{{"a", "", "app", 2, 0, at(1)}}, false, []*corev1.Pod{podWith("a", 2, at(1)), podWith("a", 3, at(4))}, ";+3 "},
		{"had not been restarted, and was not", []Known{{"a", "", "app", 2, 0, at(1)}}, false, []*corev1.Pod{waitingPod("a", 2, at(1)), podWith("a", 3, at(1))}, ";"},
		{"had not been restarted, fell and ended again", []Known{{"a", "", "app", 1, 0, at(1)}}, false, []*corev1.Pod{waitingPod("a", 1, at(3))}, "-2 +3 "},
		{"fell while it was watched, the last end is known", nil, false, []*corev1.Pod{podWith("a", 3, at(1)), podWith("a", 1, at(1)), podWith("a", 2, at(4))}, "-0 -1 +2 ;;+3 "},
		{"a clock that was ahead, and was set", nil, false, []*corev1.Pod{podWith("a", 1, at(70)), podWith("a", 2, at(9))}, "+0 ;+1 "},
		{"a clock that was ahead, and known to the history", []Known{{"a", "", "app", 0, 0, at(70)}}, false, []*corev1.Pod{podWith("a", 1, at(70)), podWith("a", 2, at(9))}, ";+1 "},
		{"a new pod of the same name", nil, false, []*corev1.Pod{podWith("a", 1, at(1)), podWith("b", 1, at(2))}, "+0 ;+0 "},
		{"an end that the status does not tell", nil, false, []*corev1.Pod{podWith("a", 2, time.Time{})}, "-0 -1 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLedger(tt.known, tt.fresh, began.Add(time.Minute))
			got := ""
			for i, pod := range tt.pods {
				if i > 0 {
					got += ";"
				}
				got += numbers(l.See(pod, at(10)))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLedgerCounts holds that of each restart there is one end, told or missed, whatever states are seen and however often the
// ledger is made anew from what was told.
func TestLedgerCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, known, told := NewLedger(nil, false, began), Known{Ended: -1}, map[int]bool{}
		restarts, now := int32(0), began
		for range rapid.IntRange(1, 40).Draw(t, "states") {
			now = now.Add(time.Minute)
			restarts += int32(rapid.IntRange(0, 3).Draw(t, "more"))
			pod, open := restarted(t, restarts, now, told)
			if rapid.IntRange(0, 5).Draw(t, "again") == 0 && known.Ended >= 0 {
				l = NewLedger([]Known{known}, false, now)
			}
			news := l.See(pod, now)
			for _, e := range append(news.Missed, news.Ended...) {
				if told[e.Number] {
					t.Fatalf("run %d is told twice", e.Number)
				}
				told[e.Number] = true
				known = Known{Pod: "a", Container: "app", Ended: max(e.Number, known.Ended), Base: e.Base}
			}
			if len(told) != int(restarts)-open {
				t.Fatalf("%d restarts, %d ends, %d to come", restarts, len(told), open)
			}
		}
	})
}

// TestLedgerExpected holds that a run which ended as it should is none of the missed of a ledger that begins anew.
func TestLedgerExpected(t *testing.T) {
	pod := func(runs int32) *corev1.Pod {
		p := podWith("a", 0, time.Time{})
		p.Spec.InitContainers = []corev1.Container{{Name: "init"}}
		done := corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: metav1.NewTime(began.Add(time.Duration(runs) * time.Minute))}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "init", RestartCount: runs - 1, State: corev1.ContainerState{Terminated: &done}}}
		return p
	}
	known := map[string]Known{}
	for runs := int32(1); runs <= 4; runs++ {
		l := NewLedger(slices.Collect(maps.Values(known)), false, began)
		news := l.See(pod(runs), began.Add(10*time.Minute))
		if got := numbers(news); got != "" {
			t.Errorf("run %d: %s", runs-1, got)
		}
		for _, e := range news.Passed {
			known[e.Of.Container] = Known{Pod: "a", Container: e.Of.Container, Ended: e.Number, Base: e.Base}
		}
	}
	over := pod(5)
	over.Status.Phase = corev1.PodSucceeded
	if news := NewLedger(nil, false, began).See(over, began.Add(10*time.Minute)); len(news.Passed) > 0 {
		t.Errorf("%+v is noted of what does not run again", news.Passed)
	}
}

// restarted draws what a status tells of the end before the present run: when it was, that it is to come, or nothing. Open is how many
// ends are waited for.
func restarted(t *rapid.T, restarts int32, now time.Time, told map[int]bool) (pod *corev1.Pod, open int) {
	what := "nothing"
	if restarts > 0 {
		what = rapid.SampledFrom([]string{"nothing", "its end", "its end", "that it runs"}).Draw(t, "told")
	}
	switch {
	case what == "its end":
		return podWith("a", restarts, now), 0
	case what == "nothing":
		return podWith("a", restarts, time.Time{}), 0
	case told[int(restarts)-1]:
		return saidToRun(podWith("a", restarts, time.Time{})), 0
	}
	return saidToRun(podWith("a", restarts, time.Time{})), 1
}

func TestLedgerGone(t *testing.T) {
	l := NewLedger([]Known{{Pod: "old", Container: "app"}}, false, began)
	l.Begin("")
	l.See(podWith("a", 0, time.Time{}), began)
	if diff := cmp.Diff([]types.UID{"old"}, l.Gone("")); diff != "" {
		t.Error(diff)
	}
	if l.Len() != 1 {
		t.Errorf("%d pods are left", l.Len())
	}
}

func TestUnwell(t *testing.T) {
	crashing := podWith("a", 3, began)
	crashing.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	pulling := podWith("a", 0, time.Time{})
	pulling.Status.Phase = corev1.PodPending
	pulling.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	evicted := podWith("a", 0, time.Time{})
	evicted.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}
	kept := leaving(podWith("a", 0, time.Time{}))
	kept.Status.Phase = corev1.PodFailed
	kept.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error", FinishedAt: metav1.NewTime(began)}}
	ended := kept.DeepCopy()
	ended.DeletionTimestamp = nil
	anew := podWith("a", 2, began)
	anew.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(began)
	for _, tt := range []struct {
		name string
		pod  *corev1.Pod
		want bool
	}{
		{"ended, and is not let go", kept, true},
		{"ended, which its death tells of", ended, false},
		{"well", podWith("a", 0, time.Time{}), false},
		{"its death is told of by itself", crashing, false},
		{"no image", pulling, true},
		{"evicted", evicted, true},
		{"does not end", leaving(podWith("a", 0, time.Time{})), true},
		{"it began anew, which its death tells of", anew, false},
		{"its node put a resize off a moment ago", putOff(began), false},
		{"its node puts a resize off", putOff(began.Add(-waits)), true},
	} {
		if got := unwell(tt.pod, began.Add(50*time.Second)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// putOff is a pod whose resize waits since then.
func putOff(since time.Time) *corev1.Pod {
	pod := podWith("a", 0, time.Time{})
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
		Type: corev1.PodResizePending, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(since),
	})
	return pod
}

// A truth is a ledger that sees every state of some pods, and holds another one to it.
type truth struct {
	*Ledger
	now         time.Time
	pods        map[string]*corev1.Pod
	ended, told map[string]bool // by pod, container and number
}

// happen lets some runs of a container end.
func (w *truth) happen(uid string, container, ends int) {
	p := w.pods[uid]
	if p == nil {
		p = podWith(uid, 0, time.Time{})
		proxy := corev1.ContainerStatus{Name: "proxy", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, proxy)
		w.pods[uid] = p
	}
	st := &p.Status.ContainerStatuses[container]
	for range ends {
		w.ended[fmt.Sprint(uid, st.Name, st.RestartCount)] = true
		st.RestartCount++
		st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, FinishedAt: metav1.NewTime(w.now)}
	}
}

// hear lets the other one see a pod, and returns what it tells for a second time.
func (w *truth) hear(uid string) (twice []string) {
	n := w.See(w.pods[uid], w.now)
	for _, e := range append(n.Missed, n.Ended...) {
		k := fmt.Sprint(uid, e.Of.Container, e.Number)
		if w.told[k] {
			twice = append(twice, k)
		}
		w.told[k] = true
	}
	return twice
}

// TestLedgerTruth holds that whatever states of many pods are not seen, what is told and what is told as missed is what a ledger
// says that sees every state: each run of each container once.
func TestLedgerTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &truth{NewLedger(nil, false, began), began, map[string]*corev1.Pod{}, map[string]bool{}, map[string]bool{}}
		var twice []string
		for range rapid.IntRange(1, 80).Draw(t, "states") {
			w.now = w.now.Add(time.Minute)
			uid := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "pod")
			w.happen(uid, rapid.IntRange(0, 1).Draw(t, "container"), rapid.IntRange(0, 3).Draw(t, "ends"))
			if rapid.IntRange(0, 2).Draw(t, "heard") == 0 {
				twice = append(twice, w.hear(uid)...)
			}
		}
		w.Begin("") // a relist: all there are come again
		for uid := range w.pods {
			twice = append(twice, w.hear(uid)...)
		}
		if diff := cmp.Diff(w.ended, w.told); diff != "" || len(twice) > 0 || len(w.Gone("")) > 0 {
			t.Fatalf("%s\ntold twice: %v", diff, twice)
		}
	})
}

// TestLedgerHostile: whoever may write a status may count as he likes, and takes no memory by that.
func TestLedgerHostile(t *testing.T) {
	l := NewLedger(nil, false, began)
	if n := len(l.See(podWith("a", math.MaxInt32, began), began).Missed); n != mostMissed {
		t.Errorf("%d runs are told of as missed, expected %d", n, mostMissed)
	}
}

// TestLedgerKnown: of what only the history knew the whole pod is looked at once.
func TestLedgerKnown(t *testing.T) {
	l, pod := NewLedger([]Known{{"a", "", "app", 2, 0, began}}, false, began), podWith("a", 2, time.Time{})
	if !l.Stirs(pod, began) || len(l.See(pod, began).Missed) == 0 || l.Stirs(pod, began) {
		t.Error("a count that fell is not looked at, or looked at again")
	}
}
