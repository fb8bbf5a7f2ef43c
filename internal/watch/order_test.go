// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"testing"
	"testing/synctest"
	"time"

	apiwatch "k8s.io/apimachinery/pkg/watch"
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
