// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// noon is when things happen in tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A clock is set by tests.
type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time {
	if n := c.micros.Load(); n != 0 {
		return fromMicros(n)
	}
	return noon
}

func (c *clock) set(t time.Time) { c.micros.Store(micros(t)) }

// backends are where a history can lie: makers of empty ones.
func backends() map[string]func(*testing.T) string {
	all := map[string]func(*testing.T) string{
		"memory": func(*testing.T) string { return "memory:" },
		"file":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "history.db") },
	}
	if postgres := postgres(); postgres != nil {
		all["postgres"] = postgres
	}
	return all
}

// everywhere runs a test on each backend, without the tag e2e on a file only: there the race detector makes all of them
// slow.
func everywhere(t *testing.T, o Options, test func(*testing.T, *Store)) {
	t.Helper()
	for name, url := range backends() {
		if name == "memory" && !thorough {
			continue
		}
		t.Run(name, func(t *testing.T) { test(t, open(t, url(t), o)) })
	}
}

func open(t *testing.T, url string, o Options) *Store {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	s, err := Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// must fails the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test where got is not as it should be.
func want[T comparable](t *testing.T, what string, got, expected T) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: got %v, want %v", what, got, expected)
	}
}

const cluster = "c0ffee00-0000-0000-0000-000000000000"

// death is run n of the container app of a pod, after so many minutes; with a settled verdict about its workload.
func death(pod string, n, minutes int) Death {
	workload := evidence.RefTo("Deployment", "shop", "web")
	return Death{
		Cluster: cluster, PodUID: "uid-" + pod,
		Of:       evidence.RefTo("Pod", "shop", pod).InContainer("app").InAttempt(n),
		Workload: workload, Node: "n1", Image: "registry.example/shop/web:1.2",
		Finished: noon.Add(time.Duration(minutes) * time.Minute), Seen: noon.Add(time.Duration(minutes) * time.Minute),
		ExitCode: 137, Signal: 9, Reason: "OOMKilled",
		Verdict: &Verdict{
			Rule: "MEM001", Confidence: "certain", Message: "container app was killed at its memory limit", Thing: workload, Settled: true,
			Version: "v1", Report: fmt.Appendf(nil, `{"causes":[{"message":"m","facts":[{"text":"oom-kill of %s"}]}]}`, pod),
		},
	}
}

// in places a death in another namespace.
func (d Death) in(namespace string) Death {
	d.Of.Namespace = namespace
	d.PodUID += "-" + namespace
	return d
}

// of gives a death another cause.
func (d Death) of(rule string, thing evidence.Ref, settled bool) Death {
	v := *d.Verdict
	v.Rule, v.Thing, v.Settled = rule, thing, settled
	v.Message = rule + " of " + thing.Name
	d.Verdict = &v
	return d
}

func incidents(t *testing.T, s *Store, f Filter) []Incident {
	t.Helper()
	page, err := s.Incidents(t.Context(), f)
	must(t, err)
	return page.Items
}

func deaths(t *testing.T, s *Store, f Filter) []Death {
	t.Helper()
	page, err := s.Deaths(t.Context(), f)
	must(t, err)
	return page.Items
}
