// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRecorderOrder holds that of the deaths of one pod the earlier is on record before the later, so that a recorder which ends between
// them, and one that goes on from the last, lose none.
func TestRecorderOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		w.crash("web-0", 0)
		for range 30 {
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
