// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
)

// newRecorder returns a recorder that has begun and asks no cluster.
func newRecorder(t *testing.T) *Recorder {
	t.Helper()
	now := func() time.Time { return began.Add(10 * time.Minute) }
	store, err := history.Open(t.Context(), "memory:", history.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &Recorder{Rules: rules.All(), Store: store, Cluster: "c", Log: slog.New(slog.DiscardHandler), Now: now}
	if _, err := r.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// kept returns the one death on record.
func kept(t *testing.T, r *Recorder) history.Death {
	t.Helper()
	page, err := r.Store.Deaths(t.Context(), history.Filter{Cluster: "c"})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%d deaths, %v: expected one", len(page.Items), err)
	}
	return page.Items[0]
}

// TestHeld holds that the first verdict is on record before the evidence, and that the evidence follows where no capture comes.
func TestHeld(t *testing.T) {
	r := newRecorder(t)
	pod := podWith("a", 1, began.Add(time.Minute))
	f := fresh{pod: pod, news: r.ledger.See(pod, r.Now())}
	if err := r.take(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if d := kept(t, r); d.Verdict == nil || d.Verdict.Rule == "" || d.HasBundle || len(r.holds) != 1 {
		t.Errorf("%+v, %d held: expected a verdict alone, and the pod held", d, len(r.holds))
	}
	r.ledger.Delete(types.UID("a"))
	for at, todo := range r.pending {
		if err := r.settle(t.Context(), at, todo); err != nil {
			t.Fatal(err)
		}
	}
	if d := kept(t, r); d.Missing == "" || !d.HasBundle || len(r.holds) != 0 {
		t.Errorf("%+v, %d held: expected why there was no capture, the state of the pod, and none held", d, len(r.holds))
	}
}

// TestHeldUnknown holds that the evidence is written where a capture does not know the run any more, as where a kubelet counts anew, and
// that another one like it is captured instead.
func TestHeldUnknown(t *testing.T) {
	r := newRecorder(t)
	pod := podWith("a", 1, began.Add(time.Minute))
	if err := r.take(t.Context(), fresh{pod: pod, news: r.ledger.See(pod, r.Now())}); err != nil {
		t.Fatal(err)
	}
	first := kept(t, r).Verdict
	s := (&evidence.Snapshot{Taken: r.Now(), Has: evidence.Spec | evidence.Status, Objects: []evidence.Object{podWith("a", 0, time.Time{})}}).Freeze()
	for at, todo := range r.pending {
		like := todo.likeness()
		r.crowd.choose(like, true, r.Now())
		if err := r.judge(t.Context(), at, todo, s); err != nil {
			t.Fatal(err)
		}
		if n := r.crowd.groups[like].begun; n != 0 {
			t.Errorf("%d captures are under way still", n)
		}
	}
	if d := kept(t, r); d.Missing == "" || !d.HasBundle || d.Verdict == nil || d.Verdict.Message != first.Message || len(r.holds) != 0 {
		t.Errorf("%+v, %d held: expected the first verdict, the state of the pod, and none held", d, len(r.holds))
	}
}

// TestHeldLookedAt holds that what is looked at without a death, while nothing more can wait, leaves what is pending of a death alone.
func TestHeldLookedAt(t *testing.T) {
	r := newRecorder(t)
	pod := podWith("a", 1, began.Add(time.Minute))
	if err := r.take(t.Context(), fresh{pod: pod, news: r.ledger.See(pod, r.Now())}); err != nil {
		t.Fatal(err)
	}
	r.queue = newQueue[subject](r.Now) // as where it is being taken in hand
	for i := range mostQueued {
		r.queue.put(subject{uid: types.UID(strconv.Itoa(i))}, 0, usual)
	}
	at := subject{evidence.RefOf(pod), pod.UID}
	r.lookAt(at, 0)
	if p := r.pending[at]; p == nil || len(p.deaths) != 1 || r.counts.dropped.Load() != 1 {
		t.Errorf("%+v is pending, expected the death", p)
	}
}

// TestHeldTooMany holds that the evidence comes with the first verdict where too many pods are held.
func TestHeldTooMany(t *testing.T) {
	r := newRecorder(t)
	for r.hold(&corev1.Pod{}) != nil {
	}
	pod := podWith("a", 1, began.Add(time.Minute))
	if err := r.take(t.Context(), fresh{pod: pod, news: r.ledger.See(pod, r.Now())}); err != nil {
		t.Fatal(err)
	}
	if d := kept(t, r); !d.HasBundle || len(r.holds) != mostHeld {
		t.Errorf("%+v, %d held: expected the state of the pod on record, and no more than %d held", d, len(r.holds), mostHeld)
	}
}

// TestTwoEnds holds that of two ends which one state tells of both are explained, also where nothing better comes.
func TestTwoEnds(t *testing.T) {
	r := newRecorder(t)
	pod := podWith("a", 1, began.Add(5*time.Minute))
	st := &pod.Status.ContainerStatuses[0]
	last := *st.LastTerminationState.Terminated
	last.StartedAt, last.FinishedAt = metav1.NewTime(last.FinishedAt.Add(time.Minute)), metav1.NewTime(last.FinishedAt.Add(2*time.Minute))
	st.State = corev1.ContainerState{Terminated: &last}
	rule := func() {
		t.Helper()
		page, err := r.Store.Deaths(t.Context(), history.Filter{Cluster: "c"})
		if err != nil || len(page.Items) != 2 {
			t.Fatalf("%d deaths, %v: expected two", len(page.Items), err)
		}
		for _, d := range page.Items {
			if d.Verdict == nil || d.Verdict.Rule == "" {
				t.Errorf("%s: %+v", d.Of, d.Verdict)
			}
		}
	}
	if err := r.take(t.Context(), fresh{pod: pod, news: r.ledger.See(pod, r.Now())}); err != nil {
		t.Fatal(err)
	}
	rule()
	at := subject{evidence.RefOf(pod), pod.UID}
	todo := r.pending[at]
	if todo == nil {
		t.Fatalf("nothing waits for its capture: %v", r.pending)
	}
	if err := r.giveUp(t.Context(), todo.deaths, "in a test"); err != nil {
		t.Fatal(err)
	}
	rule()
}
