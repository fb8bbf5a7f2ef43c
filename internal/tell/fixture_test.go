// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// The words by which the program of the tests becomes another.
const (
	asChat   = "be-the-chat-program"
	asTeller = "be-a-teller"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case asChat:
			if err := Chat(context.Background(), os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case asTeller:
			beTeller(os.Args[2:])
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const cluster = "c0ffee00-0000-0000-0000-000000000000"

// A world is a history, what is told of it, and what was logged of that.
type world struct {
	*Teller
	t    *testing.T
	log  bytes.Buffer
	mu   sync.Mutex
	when time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.when
}

func (w *world) after(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.when = w.when.Add(d)
}

// newWorld has targets whose addresses are given with them.
func newWorld(t *testing.T, targets ...Target) *world {
	t.Helper()
	w := &world{t: t, when: noon}
	c := &Config{Cluster: "prod", Console: "https://inquest.example.com/", Targets: targets}
	must(t, c.Check())
	s, err := history.Open(t.Context(), "memory:", history.Options{Targets: c.Names(), Now: w.now})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	w.Teller = &Teller{
		Store: s, Cluster: cluster, Config: c, Chat: []string{os.Args[0], asChat}, Meter: NewMeter("v0", "none"),
		Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Now: w.now, Wait: 5 * time.Second,
	}
	return w
}

// dies records deaths of pods of a workload, with a report that knows a fix.
func (w *world) dies(workload, message string, pods ...string) {
	w.t.Helper()
	must(w.t, w.Store.Record(w.t.Context(), w.deaths(workload, message, pods...)...))
}

// deaths are those, not recorded yet: many are best recorded at once.
func (w *world) deaths(workload, message string, pods ...string) []history.Death {
	w.t.Helper()
	thing := evidence.RefTo("Deployment", "shop", workload).InContainer("app")
	told, err := report.JSON([]report.Report{{Causes: []report.Cause{{
		Rule: "MEM001", Message: message,
		Fixes: []report.Fix{{Title: "Raise the memory limit of app to 512Mi", Command: "kubectl -n shop patch deployment " + workload}},
	}}}})
	must(w.t, err)
	var deaths []history.Death
	for _, pod := range pods {
		deaths = append(deaths, history.Death{
			Cluster: cluster, PodUID: "uid-" + pod, Of: evidence.RefTo("Pod", "shop", pod).InContainer("app").InAttempt(0),
			Workload: evidence.RefTo("Deployment", "shop", workload), Node: "n1", Finished: w.now(), Seen: w.now(), ExitCode: 137,
			Verdict: &history.Verdict{Rule: "MEM001", Confidence: "certain", Message: message, Thing: thing, Settled: true, Report: told, Version: "v0"},
		})
	}
	return deaths
}

// tell has one target told what is due.
func (w *world) tell(c *course) {
	w.t.Helper()
	must(w.t, c.deliver(w.t.Context()))
}

// A received is one request that a server was sent.
type received struct {
	path string
	head http.Header
	body string
}

// A server answers as it is told to, and keeps what it was sent.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	got     []received
	answers []func(http.ResponseWriter) // of the next requests; 200 afterwards
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.got = append(s.got, received{r.URL.Path, r.Header.Clone(), string(body)})
		var answer func(http.ResponseWriter)
		if len(s.answers) > 0 {
			answer, s.answers = s.answers[0], s.answers[1:]
		}
		s.mu.Unlock()
		if answer != nil {
			answer(w)
			return
		}
		_, _ = io.WriteString(w, `{"success":true,"id":"1","ok":true}`)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) taken() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.got
	s.got = nil
	return all
}

func (s *server) next(answers ...func(http.ResponseWriter)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = answers
}

func status(code int, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

func (s *server) host() string { return strings.TrimPrefix(s.URL, "http://") }

const hookKey = "the key of the hook"

func hook(t *testing.T, address string) Target {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(file, []byte(hookKey+"\n"), 0o600))
	return Target{Name: "hook", Kind: kindWebhook, URL: address, KeyFile: file, Private: true}
}

func alerts(address string) Target {
	return Target{Name: "pager", Kind: kindAlertmanager, URL: address, Private: true}
}

func posted(t *testing.T, r received) []alert {
	t.Helper()
	var all []alert
	must(t, json.Unmarshal([]byte(r.body), &all))
	return all
}

func address(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want[T comparable](t *testing.T, what string, got, expected T) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: got %v, want %v", what, got, expected)
	}
}
