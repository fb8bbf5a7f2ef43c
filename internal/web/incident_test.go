// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

// onlyIncident returns the page of the first incident as JSON and as HTML, for a caller.
func onlyIncident(t *testing.T, h http.Handler, who string) (page IncidentPage, body string) {
	t.Helper()
	_, list, _ := get(t, h, who, "/incidents?format=json")
	var found List
	if err := json.Unmarshal([]byte(list), &found); err != nil || len(found.Items) == 0 {
		t.Fatalf("%v: %s", err, list)
	}
	path := "/incidents/" + found.Items[0].ID
	_, data, _ := get(t, h, who, path+"?format=json")
	if err := json.Unmarshal([]byte(data), &page); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	_, body, _ = get(t, h, who, path)
	return page, body
}

// serving returns what a console serves, as of some time after noon.
func serving(t *testing.T, c *Console, after time.Duration) http.Handler {
	t.Helper()
	c.Now = func() time.Time { return noon.Add(after) }
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func inMinutes(from, to int, namespace, what string) history.Gap {
	g := history.Gap{Cluster: "c", Namespace: namespace, What: what, From: noon.Add(time.Duration(from) * time.Minute)}
	if to > from {
		g.To = noon.Add(time.Duration(to) * time.Minute)
	}
	return g
}

// TestGapsOfIncident: when something was not seen is on the incident, long after it as well, and whoever may see a part of it is told when,
// and no foreign name.
func TestGapsOfIncident(t *testing.T) {
	missed := died("shop", "till", 7)
	missed.Verdict, missed.Missing = nil, "it ended between two states that were seen"
	c := consoleWith(t, headerAccess{}, died("shop", "till", 1), died("bank", "vault", 2), missed)
	err := c.Store.Gaps(t.Context(), inMinutes(-2, -1, "", "nothing was heard of vaults"), inMinutes(-9, -8, "bank", "no vault answered"),
		inMinutes(-9, -7, "shop", "nothing was heard of tills"), inMinutes(-200, -100, "", "long before"), inMinutes(30, 0, "", "no recorder ran"),
		inMinutes(-2, -99, "", "lasting"))
	if err != nil {
		t.Fatal(err)
	}
	h := serving(t, c, 100*time.Hour)
	page, body := onlyIncident(t, h, "shop")
	var texts []string
	for _, g := range page.Gaps {
		texts = append(texts, g.Text())
	}
	want := "the watch was interrupted since 2026-11-01 11:58:00Z until now; nothing was heard of tills from 2026-11-01 11:51:00Z to 2026-11-01 11:53:00Z"
	if got := strings.Join(texts, "; "); got != want {
		t.Errorf("who may see one namespace is told of the gaps %q", got)
	}
	if page.Missed != 1 || len(page.Timeline.Gaps) != 2 {
		t.Errorf("%d were missed, on the timeline there are %+v", page.Missed, page.Timeline.Gaps)
	}
	contains(t, "the incident", body, "the watch was interrupted since", "1 more end of runs", `data-until="2026-11-01T11:53:00Z"`, `<rect class="blind"`, "<td>Not seen</td>")
	if strings.Contains(body, "vault") {
		t.Error("a gap tells a foreign name")
	}
	page, body = onlyIncident(t, h, "*")
	contains(t, "the incident", body, "nothing was heard of vaults from 2026-11-01 11:58:00Z to 2026-11-01 11:59:00Z (1m0s)", "no recorder ran since", "lasting since")
	if len(page.Gaps) != 5 || strings.Contains(body, "long before") {
		t.Errorf("whoever may see all is told of %+v", page.Gaps)
	}
	_, body, _ = get(t, h, "shop", "/deaths/1")
	contains(t, "the death", body, "the watch was interrupted since")
	_, body, _ = get(t, h, "shop", "/")
	contains(t, "the first page", body, "the watch was interrupted")
	if _, body, _ = get(t, h, "other", "/"); strings.Contains(body, "tills") || strings.Contains(body, "vault") {
		t.Error("somebody else is told of a namespace")
	}
}

// TestManyGaps: the latest are in sight, the others a click away, and those that there is no room for are counted. What touches is one.
func TestManyGaps(t *testing.T) {
	c := consoleWith(t, headerAccess{}, died("shop", "till", 1))
	for i := range 60 {
		if err := c.Store.Gaps(t.Context(), inMinutes(20*i, 20*i+5, "", "no recorder ran"), inMinutes(20*i+5, 20*i+10, "", "no recorder ran")); err != nil {
			t.Fatal(err)
		}
	}
	page, body := onlyIncident(t, serving(t, c, 100*time.Hour), "*")
	if len(page.Gaps) != mostGaps || page.MoreGaps != 10 || !page.Gaps[0].From.Equal(noon.Add(1180*time.Minute)) || !page.Gaps[0].To.Equal(noon.Add(1190*time.Minute)) {
		t.Errorf("there are %d and %d more, the first is %+v", len(page.Gaps), page.MoreGaps, page.Gaps[0])
	}
	contains(t, "the incident", body, "and 47 earlier times in which something was not seen", "and 10 before those")
}

// TestNobodyWatches: that no recorder runs is on the incident before one can say so.
func TestNobodyWatches(t *testing.T) {
	c := consoleWith(t, headerAccess{}, died("shop", "till", 1))
	if err := c.Store.Beat(t.Context(), "c", noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, body := onlyIncident(t, serving(t, c, 2*time.Minute), "*"); strings.Contains(body, "sign of life") {
		t.Error("it counts as not watched too early")
	}
	_, body := onlyIncident(t, serving(t, c, 5*time.Minute), "*")
	contains(t, "the incident", body, "no recorder gave a sign of life since 2026-11-01 12:01:00Z until now")
	_, body = onlyIncident(t, serving(t, c, 5*time.Minute), "shop")
	contains(t, "the incident", body, "the watch was interrupted since 2026-11-01 12:01:00Z until now")
	for _, c.Cluster = range []string{"c", ""} { // one, or all that the history has
		_, body, _ = get(t, serving(t, c, 5*time.Minute), "*", "/")
		contains(t, "the first page", body, "no recorder gave a sign of life since 2026-11-01 12:01:00Z")
	}
}

// TestBands: a band is as long as what was not seen, and where that lasts for long it leaves room for the rest.
func TestBands(t *testing.T) {
	d := died("shop", "till", 1)
	line := func(gaps ...Gap) *Timeline {
		s := newStory()
		s.death(&d)
		s.gaps = gaps
		return s.timeline(0, "")
	}
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	if got := line(Gap{What: "x", From: at(-6), To: at(-5)}); len(got.Gaps) != 1 || !got.From.Before(at(-6)) || !got.Gaps[0].From.Equal(at(-6)) || !got.Gaps[0].To.Equal(at(-5)) {
		t.Errorf("what was not seen before is %+v", got.Gaps)
	} else if plot, err := seriesOf(got); err != nil || !strings.Contains(plot, fmt.Sprintf(`"Gaps":[[%d,%d]]`, at(-6).Unix(), at(-5).Unix())) {
		t.Errorf("it is drawn as %s, %v", plot, err)
	}
	if got := line(Gap{What: "x", From: at(-600)}); len(got.Gaps) != 1 || got.From.Before(at(-15)) || got.To.After(at(3)) {
		t.Errorf("what lasts for long makes it last from %s to %s", got.From, got.To)
	}
	if got := line(Gap{What: "x", From: at(600), To: at(700)}); len(got.Gaps) != 0 || got.To.After(at(3)) {
		t.Errorf("what is long after is %+v, to %s", got.Gaps, got.To)
	}
}
