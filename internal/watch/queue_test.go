// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestQueueOrder checks that what is due goes by rank, then by when it was due, each thing once, and that a long pause of one
// thing keeps no other waiting.
func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[string](time.Now)
		q.put("again", 5*time.Minute, later)
		q.put("stuck", 2*time.Second, later)
		q.put("web", time.Second, usual)
		q.put("web", time.Second, usual)
		q.put("db", 2*time.Second, usual)
		q.put("new", 2*time.Second, urgent)
		q.put("again", 3*time.Second, usual) // died meanwhile
		var order []string
		begun := time.Now()
		for range 5 {
			key, err := q.next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, fmt.Sprint(key, " ", time.Since(begun)))
			q.done(key)
		}
		want := []string{"web 1s", "new 2s", "db 2s", "stuck 2s", "again 3s"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Error(diff)
		}
		if all, due, _ := q.state(); all+due != 0 {
			t.Errorf("%d things are left, %d of them due", all, due)
		}
	})
}

// TestQueueInHand checks that what is put in while it is looked at comes again when that is over, and to nobody before.
func TestQueueInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[string](time.Now)
		q.put("web", 0, usual)
		key, err := q.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		q.put(key, 0, urgent)
		var group sync.WaitGroup
		var second time.Duration
		begun := time.Now()
		group.Go(func() {
			if _, err := q.next(t.Context()); err != nil {
				t.Error(err)
			}
			second = time.Since(begun)
		})
		<-time.After(time.Minute) // of the bubble's clock
		q.done(key)
		group.Wait()
		if second != time.Minute {
			t.Errorf("it was looked at again after %s, expected when the first look was over", second)
		}
	})
}

// TestQueueBound checks that a full queue says so, and still takes what waits in it already.
func TestQueueBound(t *testing.T) {
	q := newQueue[int](time.Now)
	for i := range mostQueued {
		r := usual
		if i < mostLater {
			r = later
		} else if q.put(i, time.Hour, later) {
			t.Fatalf("what nobody died of takes the place of a death, as thing %d", i)
		}
		if !q.put(i, time.Hour, r) {
			t.Fatalf("no room for thing %d", i)
		}
	}
	if q.put(mostQueued, 0, urgent) {
		t.Error("there was room for one more than there is")
	}
	if !q.put(7, 0, urgent) {
		t.Error("no room for what waits already")
	}
	if key, err := q.next(t.Context()); err != nil || key != 7 {
		t.Errorf("next is %d, %v, expected 7, which became urgent", key, err)
	}
	if !q.put(mostQueued, time.Hour, later) || q.put(mostQueued+1, time.Hour, later) {
		t.Error("what was taken in hand, and what became urgent, leaves its place to one other")
	}
}

// TestQueueRoom checks that what nobody died of leaves room for a death, however much there is of it.
func TestQueueRoom(t *testing.T) {
	q := newQueue[int](time.Now)
	n := 0
	for q.put(n, time.Hour, later) {
		n++
	}
	if !q.put(n, 0, usual) {
		t.Errorf("%d things without a death leave no room for one", n)
	}
}

// TestQueueCrowd checks that what waits behind something makes it no part of a crowd.
func TestQueueCrowd(t *testing.T) {
	q := newQueue[int](time.Now)
	for i := range few + 1 {
		q.put(i, 0, later)
	}
	q.put(few+1, time.Hour, usual) // not due
	if q.crowded(few, usual) || !q.crowded(few, later) {
		t.Errorf("deaths are a crowd: %t, all are: %t, expected only these", q.crowded(few, usual), q.crowded(few, later))
	}
	for i := range few + 1 {
		q.put(i, 0, usual)
	}
	if !q.crowded(few, usual) {
		t.Error("so many deaths are no crowd")
	}
}
