// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

// aLoop fills a history with a container that ended twelve times, the watch of which was interrupted.
func aLoop(t *testing.T, store *history.Store) (now time.Time) {
	t.Helper()
	for n := range 12 {
		var log strings.Builder
		for i := range 80 {
			fmt.Fprintf(&log, "2026-11-01T12:00:%02d.000000000Z step %d\n", i%60, i)
		}
		fmt.Fprintf(&log, "2026-11-01T12:01:00.000000000Z panic: run %d is out of room\n", n+1)
		must(t, store.Record(t.Context(), aRun(t, n, log.String())))
	}
	must(t, store.Gaps(t.Context(), inMinutes(-97, -95, "", "nothing was heard of pods"), inMinutes(-106, -104, "", "no recorder ran")))
	return noon.Add(-85 * time.Minute)
}

// TestLogsInBrowser: the log of an earlier run is there once it is opened, with its error in sight, and stays so when the page is shown
// anew.
func TestLogsInBrowser(t *testing.T) {
	var now time.Time
	s := serve(t, func() time.Time { return now }, func(store *history.Store) { now = aLoop(t, store) })
	in, err := s.store.Incidents(t.Context(), history.Filter{})
	must(t, err)
	path := "/incidents/" + in.Items[0].ID
	b := open(t, s)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 1600} {
			b.as(scheme, width)
			b.visit(s.url + path)
			if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
				t.Errorf("at %d it is %d too wide", width, over)
			}
			b.accessible(fmt.Sprintf("%s %s %d", path, scheme, width))
			b.shoot(fmt.Sprintf("loop-%s-%d", scheme, width))
		}
	}
	title := eval[string](b, `document.title`)
	logs := `document.querySelectorAll("details.log pre").length`
	if n := eval[int](b, logs); n != 1 {
		t.Errorf("at first there are %d logs", n)
	}
	third := `document.querySelectorAll("details.log")[2]`
	eval[int](b, third+`.querySelector("summary").scrollIntoView(); `+third+`.querySelector("summary").click(); 0`)
	b.until(third + `.querySelector("pre mark.error")`)
	if got := eval[string](b, third+`.querySelector("pre mark.error").textContent`); !strings.Contains(got, "run 10 is out of room") {
		t.Errorf("the third log says %q", got)
	}
	at := eval[float64](b, third+`.querySelector("pre").scrollTop`)
	if at <= 0 {
		t.Error("its error is out of sight")
	}
	eval[int](b, third+`.querySelector("pre").scrollTop = 200; window.asked = 0; window.anew = 0; `+
		`addEventListener("htmx:beforeRequest", (e) => asked++); addEventListener("htmx:afterSettle", (e) => anew++); htmx.trigger(document.getElementById("content"), "change-seen"); 0`)
	b.until(`window.anew > 0`)
	if n, asked := eval[int](b, logs), eval[int](b, `window.asked`); n != 2 || asked != 1 {
		t.Errorf("the page anew has %d logs and asked %d times", n, asked)
	}
	if !eval[bool](b, third+`.open && `+third+`.querySelector("pre").scrollTop === 200`) {
		t.Error("the page anew has lost what was read")
	}
	if got := eval[string](b, `document.title`); got != title {
		t.Errorf("the title became %q", got)
	}
	b.well(path)
}
