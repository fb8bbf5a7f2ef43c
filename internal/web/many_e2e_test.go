// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package web

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// many is so many incidents of one death each, over a day, with the evidence of a recorded one.
func many(t *testing.T, store *history.Store, now time.Time, n int) {
	t.Helper()
	rules := []string{"MEM001", "EXT002", "PRB001", "IMG001", "CFG001", "NOD002", "SCH001", "STO001", "DEP001", "CTL001", ""}
	for first := 0; first < n; first += 500 {
		var deaths []history.Death
		for i := first; i < min(first+500, n); i++ {
			name := fmt.Sprintf("app-%05d", i)
			d := died(fmt.Sprintf("team-%d", i%40), name, i)
			d.Finished = now.Add(-time.Duration(i) * 8 * time.Second)
			d.Started, d.Seen, d.Node, d.ExitCode = d.Finished.Add(-time.Minute), d.Finished, fmt.Sprintf("node-%d", i%200), 137
			d.Reason, d.Verdict.Rule, d.Verdict.Bundle = "Error", rules[i%len(rules)], nil
			d.Verdict.Message = fmt.Sprintf("container %s was killed at its memory limit of 256Mi", name)
			deaths = append(deaths, d)
		}
		must(t, store.Record(t.Context(), deaths...))
	}
}

// TestManyIncidents visits every page of a history of 10,000 incidents, and every page of its list.
func TestManyIncidents(t *testing.T) {
	last := replayedAt
	s := serve(t, func() time.Time { return last }, func(store *history.Store) {
		replayed(t, store)
		many(t, store, last, 10_000)
	})
	for _, path := range pagesOf(t, s) {
		t.Logf("%-22s %5.1f ms of processor time", path, cost(t, s.console, path))
	}
	b := open(t, s)
	b.as("light", 1600)
	for name, path := range pagesOf(t, s) {
		b.visit(s.url + path)
		loaded := eval[float64](b, `performance.getEntriesByType("navigation")[0].responseEnd`)
		first := eval[float64](b, `performance.getEntriesByType("navigation")[0].encodedBodySize + performance.getEntriesByType("resource").reduce((n, r) => n + r.encodedBodySize, 0)`)
		t.Logf("%-18s %4.0f ms to the end of the page, %6.0f bytes compressed with all that it uses", path, loaded, first)
		if name == "now" && first > 100<<10 {
			t.Errorf("the first page takes %.0f bytes", first)
		}
		b.accessible(path)
		b.shoot("many-" + name)
	}
	seen := map[string]bool{}
	for next := s.url + "/incidents"; next != ""; {
		b.visit(next)
		for _, href := range eval[[]string](b, `[...document.querySelectorAll("[data-open]")].map((a) => a.getAttribute("href"))`) {
			seen[href] = true
		}
		next = eval[string](b, `document.querySelector("a[rel=next]")?.href ?? ""`)
	}
	if len(seen) < 10_000 {
		t.Errorf("the list has %d incidents", len(seen))
	}
}

// cost is how long a processor works on a page, in milliseconds.
func cost(t *testing.T, c *Console, path string) float64 {
	t.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	own := Console{Store: c.Store, Rules: c.Rules, Access: headerAccess{}, Log: c.Log, Now: c.Now}
	h, err := own.Handler()
	must(t, err)
	const often = 5
	began := used()
	for range often {
		get(t, h, "*", path)
	}
	return float64((used() - began).Microseconds()) / 1000 / often
}

// TestKeys moves through lists and pages by keys alone.
func TestKeys(t *testing.T) {
	var last time.Time
	s := serve(t, func() time.Time { return last }, func(store *history.Store) { last = replayed(t, store) })
	b := open(t, s)
	b.visit(s.url + "/")
	at := func() string {
		return eval[string](b, `document.activeElement.getAttribute("href") ?? document.activeElement.id`)
	}
	rows := eval[[]string](b, `[...document.querySelectorAll("[data-open]")].map((a) => a.getAttribute("href"))`)
	for _, step := range []struct{ key, want string }{{"j", rows[0]}, {"j", rows[1]}, {"k", rows[0]}, {"k", rows[0]}, {"/", "search"}} {
		b.do(chromedp.KeyEvent(step.key))
		if got := at(); got != step.want {
			t.Errorf("after %s the focus is on %q, expected %q", step.key, got, step.want)
		}
	}
	b.do(chromedp.KeyEvent("j?panic"))
	// The browser is sent the character of a key as an event of its own, which a page cannot keep from its new focus.
	if got := eval[string](b, `document.getElementById("search").value`); strings.TrimPrefix(got, "/") != "j?panic" {
		t.Errorf("in the search there is %q", got)
	}
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent("?"))
	if !eval[bool](b, `document.getElementById("keys").open`) {
		t.Error("? shows no keys")
	}
	b.accessible("the keys")
	b.shoot("keys")
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent("j"), chromedp.KeyEvent(kb.Enter), chromedp.WaitReady(chromedp.CSS("figure.timeline")))
	if got := eval[string](b, `location.pathname`); got != rows[0] {
		t.Errorf("Enter leads to %s, expected %s", got, rows[0])
	}
	b.do(chromedp.KeyEvent("g"), chromedp.WaitReady(chromedp.CSS(".now")))
	b.well("keys")
}

// until waits until an expression holds in the page.
func (b *browser) until(expression string) {
	b.t.Helper()
	if !eval[bool](b, `new Promise((done) => { const end = Date.now() + 20000; const look = () => { if (`+expression+`) done(true); else if (Date.now() > end) done(false); else setTimeout(look, 50); }; look(); })`) {
		b.t.Fatalf("it never was that %s", expression)
	}
}

// TestLive: what comes is shown without a reload, the reader keeps the place, and a server that begins anew is found again.
func TestLive(t *testing.T) {
	now := time.Now().UTC()
	s := serve(t, func() time.Time { return now }, func(store *history.Store) { many(t, store, now, 3) })
	b := open(t, s)
	b.visit(s.url + "/")
	b.until(`document.getElementById("live").textContent === "live"`)
	eval[int](b, `window.same = 1`)
	b.do(chromedp.KeyEvent("j"))
	focus := eval[string](b, `document.activeElement.getAttribute("href")`)
	d := died("shop", "newcomer", 9)
	d.Finished, d.Seen = now, now
	must(t, s.store.Record(t.Context(), d))
	b.until(`document.getElementById("content").textContent.includes("newcomer")`)
	if !eval[bool](b, `window.same === 1 && document.activeElement.getAttribute("href") === `+fmt.Sprintf("%q", focus)) {
		t.Error("the page was loaded anew, or the focus was lost")
	}
	if !strings.HasPrefix(eval[string](b, `document.title`), "(") {
		t.Error("the title does not count the open incidents")
	}
	b.well("live")
}

// TestTimeline: runs, Events and what was used have one axis and one cursor.
func TestTimeline(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	s := serve(t, func() time.Time { return now }, func(store *history.Store) { must(t, store.Record(t.Context(), sawtooth(t, now)...)) })
	b := open(t, s)
	found, err := s.store.Incidents(t.Context(), history.Filter{})
	must(t, err)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 800, 1600} {
			b.as(scheme, width)
			b.visit(s.url + "/incidents/" + found.Items[0].ID)
			b.until(`document.querySelectorAll(".u-over").length === 2`)
			b.accessible(fmt.Sprintf("timeline %s %d", scheme, width))
			off := eval[float64](b, `(() => { const plot = document.querySelector(".u-over").getBoundingClientRect(), lane = document.querySelector(".lane svg").getBoundingClientRect(); return Math.abs(plot.left - lane.left) + Math.abs(plot.right - lane.right) })()`)
			if off > 3 {
				t.Errorf("at %d lanes and curves are %.1f apart", width, off)
			}
			eval[int](b, `(() => { const lane = document.querySelector(".lane.runs svg"), box = lane.getBoundingClientRect(); lane.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + 5})); return 0 })()`)
			b.until(`document.querySelector(".hair").hidden === false && document.querySelector(".readout").textContent.includes("Z")`)
			b.shoot(fmt.Sprintf("timeline-%s-%d", scheme, width))
		}
	}
}

// sawtooth is a container that runs into its memory limit again and again, with what an agent measured of it.
func sawtooth(t *testing.T, now time.Time) []history.Death {
	t.Helper()
	var deaths []history.Death
	for n := range 6 {
		d := died("shop", "web-0", n)
		d.Of = evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(n)
		d.PodUID, d.Node, d.Image, d.Reason, d.ExitCode = "u", "n1", "web:v2", "OOMKilled", 137
		d.Workload = evidence.RefTo("Deployment", "shop", "web")
		d.Started, d.Finished = now.Add(time.Duration(n-6)*5*time.Minute), now.Add(time.Duration(n-5)*5*time.Minute-20*time.Second)
		d.Seen = d.Finished
		d.Verdict.Rule, d.Verdict.Message, d.Verdict.Thing = "MEM001", "container app was killed at its memory limit of 256Mi", d.Workload
		d.Verdict.Bundle = measuredBundle(t, d)
		deaths = append(deaths, d)
	}
	return deaths
}
