// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// TestLanes holds that what is new of one pod is given to the history by one goroutine, in the order in which it was seen.
func TestLanes(t *testing.T) {
	r := newRecorder(t)
	for n := range 2 {
		r.seePod(t.Context(), apiwatch.Modified, podWith("a", int32(n+1), began.Add(time.Duration(n)*time.Minute)))
	}
	lane := r.fresh.of("a")
	if len(lane) != 2 || r.fresh.waiting() != 2 {
		t.Fatalf("%d of %d wait in one place, expected both", len(lane), r.fresh.waiting())
	}
	for n := range 2 {
		if f := <-lane; len(f.news.Ended) != 1 || f.news.Ended[0].Number != n {
			t.Errorf("place %d: %+v", n, f.news.Ended)
		}
	}
}

// TestMarksFollow holds that what ended as it should is noted after the deaths that came with it: they are of earlier runs, which a
// recorder that goes on from the note would take for accounted for.
func TestMarksFollow(t *testing.T) {
	r := newRecorder(t)
	var seen []string
	var store *history.Store
	store, err := history.Open(t.Context(), filepath.Join(t.TempDir(), "history.db"), history.Options{Now: func() time.Time { // as each write begins
		if store != nil {
			last, err := store.Last(t.Context(), "c")
			n, err2 := store.Count(t.Context(), history.Filter{})
			if err != nil || err2 != nil {
				t.Error(err, err2)
			}
			for _, l := range last {
				seen = append(seen, fmt.Sprintf("up to run %d, %d on record", l.Of.Attempt, n.Recorded))
			}
		}
		return began
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	r.Store = store
	pod := podWith("a", 1, began.Add(time.Minute))
	run := func(n int) End {
		of := evidence.RefOf(pod).InContainer("app").InAttempt(n)
		return End{Attempt: evidence.Attempt{Of: of, Finished: began.Add(time.Duration(n+1) * time.Minute), Reason: "Error"}, Number: n}
	}
	if err := r.take(t.Context(), fresh{pod: pod, news: News{Ended: []End{run(0)}, Passed: []End{run(1)}}}); err != nil {
		t.Fatal(err)
	}
	last, err := store.Last(t.Context(), "c")
	if err != nil || len(last) != 1 || last[0].Of.Attempt != 1 {
		t.Errorf("%v, %v: expected that all up to run 1 is accounted for", last, err)
	}
	if len(seen) == 0 || slices.ContainsFunc(seen, func(s string) bool { return strings.HasSuffix(s, " 0 on record") }) {
		t.Errorf("as writes began there was %q: expected the death before the note", seen)
	}
}

// TestRecorderOrder holds that of the deaths of one pod the earlier is on record before the later, so that a recorder which ends between
// them, and one that goes on from the last, lose none.
func TestRecorderOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		w.crash("web-0", 0)
		for range 6 {
			stop := start(t, r)
			passes(time.Second)
			before := counted(t, r).Recorded
			for range 60 {
				w.crash("web-0", 1)
			}
			for counted(t, r).Recorded == before {
				passes(time.Millisecond)
			}
			stop()
		}
		defer start(t, r)()
		passes(time.Minute)
		n := counted(t, r)
		if want := w.restarts(); n.Recorded+n.Missing != want {
			t.Errorf("%d deaths on record and %d reported missing, expected %d in all", n.Recorded, n.Missing, want)
		}
	})
}
