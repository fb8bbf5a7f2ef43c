// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/history"
)

// TestRecorderDisconnected holds that after ten minutes without a connection, in which many containers restart one to five times,
// what is on record and what is reported missing are the restarts, exactly.
func TestRecorderDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, random := newWorld(), rand.New(rand.NewPCG(1, 2))
		r := recorderOf(t, w)
		defer start(t, r)()
		for i := range many {
			w.crash(fmt.Sprintf("web-%d", i), 0)
		}
		passes(time.Minute)
		w.crash("web-0", 1)
		passes(time.Minute)
		w.fail(always(down), true)
		for i := range many {
			for range 1 + random.IntN(5) {
				passes(time.Minute / many)
				w.crash(fmt.Sprintf("web-%d", i), 1)
			}
		}
		passes(5 * time.Minute)
		hears(t, r, false)
		w.fail(nil, false)
		passes(5 * time.Minute)
		hears(t, r, true)
		n := counted(t, r)
		if want := w.restarts(); n.Recorded+n.Missing != want || n.Recorded < many+1 {
			t.Errorf("%d deaths on record and %d reported missing, expected %d in all, of which the last of each container on record", n.Recorded, n.Missing, want)
		}
		gaps, err := r.Store.GapsIn(t.Context(), "test", time.Time{}, time.Time{}, nil, 100)
		if err != nil {
			t.Fatal(err)
		}
		seen := ""
		for _, g := range gaps {
			seen += fmt.Sprintf("%s: %v. ", g.What, g.To.Sub(g.From) > 8*time.Minute)
		}
		for _, what := range []string{"pods", "nodes", "events", "leases"} {
			if !strings.Contains(seen, "nothing was heard of "+what+": true. ") {
				t.Errorf("the gaps are %q, expected one of %s", seen, what)
			}
		}
	})
}

// hears checks that a recorder says whether it hears of pods.
func hears(t *testing.T, r *Recorder, does bool) {
	t.Helper()
	if r.Figures().InStep != does {
		t.Errorf("it says that it hears of pods: %t, expected %t", !does, does)
	}
}

// TestRecorderReconverges holds that whatever an API server does meanwhile, the incidents in the end are those of a run in which it
// did nothing.
func TestRecorderReconverges(t *testing.T) {
	disturbances := map[string]func(*world){
		"nothing":                           func(*world) {},
		"stopped":                           func(w *world) { w.fail(always(down), false); passes(time.Minute); w.fail(nil, false) },
		"stopped, and what changed is gone": func(w *world) { w.fail(always(down), false); passes(time.Minute); w.fail(nil, true) },
		"hung":                              func(w *world) { w.fail(always(hung), false); passes(time.Minute); w.fail(nil, false) },
		"gone":                              func(w *world) { w.fail(nil, true) },
		"too many requests": func(w *world) {
			w.fail(always(http.StatusTooManyRequests), false)
			passes(time.Minute)
			w.fail(nil, false)
		},
		"captures fail": func(w *world) {
			w.fail(func(resource string) int {
				if resource == "captures" {
					return down
				}
				return http.StatusOK
			}, false)
			passes(time.Minute)
			w.fail(nil, false)
		},
	}
	var want []string
	for _, name := range append([]string{"nothing"}, "stopped", "stopped, and what changed is gone", "hung", "gone", "too many requests", "captures fail") {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := disturbed(t, disturbances[name])
				if name == "nothing" {
					want = got
				}
				if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
					t.Errorf("incidents (-undisturbed +this):\n%s", diff)
				}
			})
		})
	}
}

// disturbed returns the incidents in the end, where five pods die while something is done to the API server.
func disturbed(t *testing.T, disturb func(*world)) []string {
	t.Helper()
	w := newWorld()
	r := recorderOf(t, w)
	defer start(t, r)()
	for i := range 5 {
		w.crash(fmt.Sprintf("web-%d", i), 0)
	}
	passes(30 * time.Second)
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := range 5 { // one death of each: none is missed
			passes(10 * time.Second)
			w.crash(fmt.Sprintf("web-%d", i), 1)
		}
	}()
	disturb(w)
	<-done
	passes(5 * time.Minute)
	if n := unsettledIn(t, r); n > 0 {
		t.Errorf("%d verdicts are provisional still", n)
	}
	return incidents(t, r)
}

func unsettledIn(t *testing.T, r *Recorder) int {
	t.Helper()
	page, err := r.Store.Deaths(t.Context(), history.Filter{Cluster: "test", Unsettled: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Items)
}

// TestRecorderTakeover holds that a recorder that begins where another one ended, at any moment, loses no death: not those on record
// without a settled verdict, not those that happened in between, and none twice.
func TestRecorderTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, random := newWorld(), rand.New(rand.NewPCG(3, 4))
		r := recorderOf(t, w)
		w.crash("old", 7) // before the history begins
		passes(2 * time.Hour)
		for i := range 10 {
			w.crash(fmt.Sprintf("web-%d", i), 0)
		}
		for range 10 {
			stop := start(t, r)
			for range random.IntN(40) {
				w.crash(fmt.Sprintf("web-%d", random.IntN(10)), 1)
				passes(time.Duration(random.IntN(300)) * time.Millisecond)
			}
			stop()
			for range random.IntN(5) {
				w.crash(fmt.Sprintf("web-%d", random.IntN(10)), 1+random.IntN(3))
			}
		}
		defer start(t, r)()
		passes(time.Minute)
		n := counted(t, r)
		if want := w.restarts() - 7; n.Recorded+n.Missing != want {
			t.Errorf("%d deaths on record and %d reported missing, expected %d in all", n.Recorded, n.Missing, want)
		}
		if n := unsettledIn(t, r); n > 0 {
			t.Errorf("%d verdicts are provisional still", n)
		}
	})
}

// TestRecorderAway holds that while no recorder ran is told once it runs again, until all pods have been seen and if it is as short as a
// takeover, and that one which is back soon tells of nothing.
func TestRecorderAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		told := func() []history.Gap {
			gaps, err := r.Store.GapsIn(t.Context(), "test", time.Time{}, time.Time{}, nil, 1000)
			if err != nil {
				t.Fatal(err)
			}
			return slices.DeleteFunc(gaps, func(g history.Gap) bool { return g.What != "no recorder ran" })
		}
		stop := start(t, r)
		passes(10 * time.Minute)
		stop()
		passes(10 * time.Second)
		stop = start(t, r)
		passes(10 * time.Minute)
		stop()
		if gaps := told(); len(gaps) != 0 {
			t.Errorf("after a restart it tells of %v", gaps)
		}
		passes(25 * time.Second)
		w.fail(always(down), false)
		stop = start(t, r)
		passes(30 * time.Second)
		w.fail(nil, false)
		passes(time.Minute)
		stop()
		if gaps := told(); len(gaps) != 1 || gaps[0].To.Sub(gaps[0].From) < 55*time.Second || gaps[0].To.Sub(gaps[0].From) > 55*time.Second+longest+silence {
			t.Errorf("after a takeover it tells of %v", gaps)
		}
		passes(20 * time.Minute)
		stop = start(t, r)
		passes(time.Minute)
		stop()
		gaps := told()
		if len(gaps) != 2 || gaps[0].To.Sub(gaps[0].From) < 20*time.Minute || gaps[0].To.Sub(gaps[0].From) > 20*time.Minute+silence {
			t.Errorf("after twenty minutes it tells of %v", gaps)
		}
	})
}

// TestRecorderStorm holds that of many that die alike at the same time few are captured, that each is on record with a settled
// verdict, and that all of them are one incident, that of those which were captured.
func TestRecorderStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pods = 200
		w := newWorld()
		r := recorderOf(t, w)
		defer start(t, r)()
		w.crashAll(pods, 0)
		passes(time.Minute)
		w.crashAll(pods, 1)
		passes(10 * time.Second)
		want := []string{fmt.Sprintf("TST001 statefulset/web[app]: %d deaths of %d pods", pods, pods)}
		if diff := cmp.Diff(want, incidents(t, r)); diff != "" {
			t.Errorf("incidents (-want +got):\n%s", diff)
		}
		if n := unsettledIn(t, r); n > 0 {
			t.Errorf("%d verdicts are provisional after ten seconds", n)
		}
		if n := w.captures(); n < representatives || n > pods/2 {
			t.Errorf("%d captures of %d deaths, expected %d and some, while few wait", n, pods, representatives)
		}
		if f := r.Figures(); f.Deaths != pods || f.Alike+f.Captures != pods || f.Queue != 0 || !f.InStep {
			t.Errorf("figures: %+v", f)
		}
	})
}

// TestRecorderRefused holds that an API server that refuses requests, and says for how long, is not asked sooner by anything that watches or
// captures; that it is said at once that nothing is heard; and that what died is settled when it answers again.
func TestRecorderRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pods = 40
		w := newWorld()
		r := recorderOf(t, w)
		defer start(t, r)()
		w.crashAll(pods, 0)
		passes(time.Minute)
		w.crashAll(pods, 1)
		passes(settle / 2)
		w.fail(always(http.StatusTooManyRequests), false)
		passes(busyFor * time.Second / 2)
		gaps, err := r.Store.GapsIn(t.Context(), "test", time.Time{}, time.Time{}, nil, 100)
		if err != nil || len(gaps) != 4 {
			t.Errorf("%v %v: expected four kinds of which nothing is heard", gaps, err)
		}
		passes(time.Minute)
		w.fail(nil, false)
		for what, n := range w.refused {
			if most := map[bool]int{true: captures, false: 1}[what == "captures"] * (60/busyFor + 2); n == 0 || n > most {
				t.Errorf("%d requests for %s were refused, expected %d at most", n, what, most)
			}
		}
		if len(w.refused) != 5 {
			t.Errorf("refused were %v, expected four watches, and captures", w.refused)
		}
		passes(5 * time.Minute)
		want := []string{fmt.Sprintf("TST001 statefulset/web[app]: %d deaths of %d pods", pods, pods)}
		if diff := cmp.Diff(want, incidents(t, r)); diff != "" || unsettledIn(t, r) > 0 {
			t.Errorf("%d verdicts are provisional; incidents (-want +got):\n%s", unsettledIn(t, r), diff)
		}
	})
}
