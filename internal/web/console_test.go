// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
	ruleset "github.com/kubeinquest/inquest/internal/rules"
	"github.com/kubeinquest/inquest/internal/watch"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// headerAccess lets each caller see the namespaces that a header names, all for "*".
type headerAccess struct{}

func (headerAccess) Rights(_ context.Context, r *http.Request) (Rights, error) {
	switch who := r.Header.Get("Who"); who {
	case "":
		return Rights{}, &RefusalError{"say who you are"}
	case "*":
		return Rights{All: true}, nil
	default:
		return Rights{Namespaces: strings.Split(who, ",")}, nil
	}
}

func (headerAccess) Caller(r *http.Request) string { return r.Header.Get("Who") }

func (headerAccess) Login(http.ResponseWriter, *http.Request, string) error {
	return &RefusalError{"there is no login"}
}

// console serves a history with the deaths.
func console(t *testing.T, deaths ...history.Death) http.Handler {
	t.Helper()
	return consoleOf(t, headerAccess{}, deaths...)
}

// consoleOf serves a history with the deaths to whom an access lets in.
func consoleOf(t *testing.T, access Access, deaths ...history.Death) http.Handler {
	t.Helper()
	h, err := consoleWith(t, access, deaths...).Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func consoleWith(t *testing.T, access Access, deaths ...history.Death) *Console {
	t.Helper()
	store, err := history.Open(t.Context(), "memory:", history.Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Record(t.Context(), deaths...); err != nil {
		t.Fatal(err)
	}
	return &Console{
		Store: store, Access: access, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
		Rules: []*diagnosis.Rule{{ID: "EXT001", Title: "Ended by itself", Doc: "It ended."}},
	}
}

// recorded serves the recorded incidents, and returns the addresses of all that can be reached.
func recorded(t *testing.T) (handler http.Handler, addresses []string) {
	t.Helper()
	c := consoleWith(t, headerAccess{})
	last := replayed(t, c.Store)
	c.Now, c.Rules = func() time.Time { return last }, ruleset.All()
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	crawl(t, h, "*", func(path, _ string) {
		if !strings.Contains(path, " as JSON") && !strings.HasSuffix(path, ".zip") {
			addresses = append(addresses, path)
		}
	})
	return h, append(addresses, "/search", "/search?q=container", "/incidents?state=closed", "/workloads?span=7d", "/")
}

// replayed fills a history with the recorded incidents, and returns when the last of them was recorded.
func replayed(t *testing.T, store *history.Store) (last time.Time) {
	t.Helper()
	r := &watch.Recorder{Rules: ruleset.All(), Version: "test", Log: slog.New(slog.DiscardHandler), Now: time.Now, Store: store, Cluster: "recorded"}
	for _, name := range []string{"init-panic", "liveness-kill", "rollout-without-configmap"} {
		source, err := collect.Open("../../examples/"+name, collect.Reading{LogBytes: 256 << 10})
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Replay(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		if s.Taken.After(last) {
			last = s.Taken
		}
	}
	return last
}

// died is a death in a namespace, all of whose words are those given.
func died(namespace, words string, n int) history.Death {
	of := evidence.RefTo("Pod", namespace, words).InContainer(words)
	told := report.Report{
		Causes: []report.Cause{{
			Rule: "EXT001", Title: words, Message: words, Confidence: "certain", Facts: []report.Fact{{Source: "log", Text: words, Where: words}},
			Fixes: []report.Fix{{Title: words, Risk: "advice", Command: words}},
		}},
		Gaps: []report.Gap{{Kind: "logs", Why: words}},
	}
	data, err := json.Marshal(told)
	if err != nil {
		panic(err) // cannot happen
	}
	return history.Death{
		Cluster: "c", PodUID: fmt.Sprint(namespace, n), Of: of.InAttempt(n), Workload: evidence.RefTo("Deployment", namespace, words), Node: words, Image: words,
		Started: noon.Add(-time.Minute), Finished: noon, Seen: noon, ExitCode: 3, Reason: words,
		Verdict: &history.Verdict{
			Rule: "EXT001", Confidence: "certain", Message: words, Thing: evidence.RefTo("Deployment", namespace, words), Settled: true, Report: data,
			Bundle: map[string][]byte{
				"meta.yaml": []byte("x"), "logs/" + namespace + "/" + strings.ReplaceAll(words, "/", "_") + "/app/0.log": []byte(words),
			},
		},
	}
}

func get(t *testing.T, h http.Handler, who, path string) (int, string, http.Header) {
	t.Helper()
	return getAs(t, h, http.Header{"Who": {who}}, path)
}

func getAs(t *testing.T, h http.Handler, who http.Header, path string) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	r.Header = who.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body), w.Header()
}

// links returns where a page leads within the console.
func links(body string) []string {
	var all []string
	for part := range strings.SplitSeq(body, `href="`) {
		if link, _, ok := strings.Cut(part, `"`); ok && strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "/static/") && !strings.Contains(link, "format=json") {
			all = append(all, html.UnescapeString(link))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// crawl visits every page that can be reached, as HTML and as JSON.
func crawl(t *testing.T, h http.Handler, who string, visit func(path, body string)) {
	t.Helper()
	crawlAs(t, h, http.Header{"Who": {who}}, visit)
}

func crawlAs(t *testing.T, h http.Handler, who http.Header, visit func(path, body string)) {
	t.Helper()
	seen, todo := map[string]bool{}, []string{"/"}
	for len(todo) > 0 {
		if len(seen) > 2000 {
			t.Fatalf("there are more than %d pages, the next one is %s", len(seen), todo[0])
		}
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		code, body, _ := getAs(t, h, who, path)
		if code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
		visit(path, body)
		if file, _, _ := strings.Cut(path, "?"); strings.HasSuffix(file, ".zip") || strings.HasSuffix(file, ".csv") {
			continue
		}
		todo = append(todo, links(body)...)
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		_, body, _ = getAs(t, h, who, path+sep+"format=json")
		visit(path+" as JSON", body)
	}
	if len(seen) < 8 {
		t.Errorf("only %d pages were reached", len(seen))
	}
}

// TestHostile has the words of attackers everywhere: none of them is markup on any page.
func TestHostile(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `javascript:alert(1)`, `</pre><svg onload=alert(1)>`,
		`{{.}}`, "\u202egnp", "a\x1b[31mred", "x\x00y", `<iframe srcdoc="<script>1</script>">`, `]]>`, `<!--`, `</title><script>1</script>`,
	}
	for i, words := range hostile {
		h := console(t, died("shop", words, i))
		crawl(t, h, "*", func(path, body string) {
			if file, _, _ := strings.Cut(path, "?"); strings.Contains(path, "JSON") || strings.HasSuffix(file, ".zip") || strings.HasSuffix(file, ".csv") {
				return
			}
			for _, markup := range []string{"<script>", "<img", "<svg onload", "<iframe", "onerror=alert(1)>", "' onmouseover='", `href="javascript:`, "<!--"} {
				if strings.Contains(body, markup) {
					t.Errorf("%q on %s: there is %s", words, path, markup)
				}
			}
		})
	}
}

// TestSheets: what is asked for is there, and no word of an attacker is one that a spreadsheet would calculate.
func TestSheets(t *testing.T) {
	for i, words := range []string{`=HYPERLINK("http://e")`, "+1+cmd|' /C calc'!A0", "-2", "@SUM(1)", "\t=1", "\r=1", "x;=1", "a\x1b[31mred", `"><img src=x>`} {
		h := console(t, died("shop", words, i), died("bank", "other", i))
		_, page, _ := get(t, h, "shop", "/incidents")
		for _, path := range append(links(page), "/incidents.csv?q=nothinglikethis") {
			if strings.HasPrefix(path, "/incidents/") {
				path += "/deaths.csv"
			}
			file, asked, _ := strings.Cut(path, "?")
			if !strings.HasSuffix(file, ".csv") {
				continue
			}
			code, body, header := get(t, h, "shop", path)
			if code != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/csv") || strings.Contains(body, "bank") {
				t.Errorf("%s: %d %v %s", path, code, header, body)
			}
			inertSheet(t, path, body, map[bool]int{true: 1, false: 2}[strings.Contains(asked, "nothing")])
		}
		if code, body, _ := get(t, h, "other", "/incidents.csv"); code != http.StatusOK || strings.Count(body, "\n") != 1 {
			t.Errorf("who may see nothing of it gets %d %s", code, body)
		}
	}
}

// inertSheet checks that no cell of a sheet is one that a spreadsheet would calculate, wherever it parts cells.
func inertSheet(t *testing.T, path, body string, lines int) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != lines {
		t.Errorf("%s: %v, %d rows: %s", path, err, len(rows), body)
	}
	for _, row := range rows {
		for _, cell := range row {
			for part := range strings.SplitSeq(cell, ";") {
				if strings.ContainsFunc(part, unicode.IsControl) || part != "" && strings.IndexByte("=+-@", part[0]) >= 0 {
					t.Errorf("%s has the cell %q", path, cell)
				}
			}
		}
	}
}

// TestRights has two who may see one namespace each, and visits all that they can reach and all that the other can.
func TestRights(t *testing.T) {
	h := console(t, died("shop", "shopsecret", 1), died("bank", "banksecret", 2))
	var paths []string
	crawl(t, h, "*", func(path, _ string) { paths = append(paths, path) })
	for who, foreign := range map[string]string{"shop": "banksecret", "bank": "shopsecret", "other": "secret"} {
		for _, path := range paths {
			path, asJSON := strings.CutSuffix(path, " as JSON")
			if asJSON || strings.Contains(path, foreign) { // what is asked for is shown in its field
				continue
			}
			if _, body, _ := get(t, h, who, path); strings.Contains(body, foreign) {
				t.Errorf("%s sees %s on %s", who, foreign, path)
			}
		}
	}
	if code, _, _ := get(t, h, "", "/"); code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", code)
	}
}

func TestPolicy(t *testing.T) {
	h := console(t)
	for _, path := range []string{"/", "/nothing", "/static/style.css"} {
		_, body, header := get(t, h, "*", path)
		if header.Get("Content-Security-Policy") != policy || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has no policy", path)
		}
		if strings.Contains(body, " style=") || strings.Contains(body, "https://") {
			t.Errorf("%s has a style of its own, or leads elsewhere", path)
		}
	}
}

func TestLoopbackAccess(t *testing.T) {
	now := noon
	a, secret := NewLoopbackAccess(func() time.Time { return now })
	ask := func(host string, cookies ...*http.Cookie) error {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/", http.NoBody)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		_, err := a.Rights(t.Context(), r)
		return err
	}
	if ask("127.0.0.1:80") == nil {
		t.Error("it lets in without a cookie")
	}
	if a.Login(httptest.NewRecorder(), nil, "wrong") == nil || a.Login(httptest.NewRecorder(), nil, "") == nil {
		t.Error("it lets in with a wrong secret")
	}
	w := httptest.NewRecorder()
	if err := a.Login(w, nil, secret); err != nil {
		t.Fatal(err)
	}
	in := w.Result().Cookies()[0]
	if !in.HttpOnly || in.SameSite != http.SameSiteStrictMode {
		t.Errorf("the cookie is %s", in)
	}
	for host, want := range map[string]bool{"127.0.0.1:8737": true, "localhost:8737": true, "[::1]:8737": true, "evil.example:8737": false, "10.0.0.1": false} {
		if got := ask(host, in) == nil; got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
	if a.Login(httptest.NewRecorder(), nil, secret) == nil {
		t.Error("the link works twice")
	}
	other, link := NewLoopbackAccess(func() time.Time { return now })
	if w = httptest.NewRecorder(); other.Login(w, nil, link) != nil || w.Result().Cookies()[0].Name == in.Name {
		t.Error("a server on another port takes the login of this one")
	}
	if now = now.Add(stay + time.Second); ask("127.0.0.1", in) == nil {
		t.Error("it lets in for ever")
	}
}
