// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/watch"
)

// scrape returns what a meter exposes.
func scrape(t *testing.T, m *Meter, path string, ready error) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(func(context.Context) error { return ready }).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	body, err := io.ReadAll(w.Result().Body)
	must(t, err)
	return w.Result().StatusCode, string(body)
}

func TestMeter(t *testing.T) {
	w := newWorld(t)
	m := w.Meter
	m.At("https://inquest.example.com/")
	place, err := m.tally(t.Context(), w.Store, cluster, -1, w.now())
	must(t, err)
	w.dies("web", "it died", "web-0", "web-1")
	w.dies("\xff\"x\n", "it died", "api-0")
	_, err = m.tally(t.Context(), w.Store, cluster, place, w.now())
	must(t, err)
	if _, text := scrape(t, m, "/metrics", nil); strings.Contains(text, "inquest_deaths_total{") {
		t.Error("deaths are counted before their verdict is settled")
	}
	w.after(time.Minute)
	for range 2 {
		place, err = m.tally(t.Context(), w.Store, cluster, place, w.now())
		must(t, err)
	}
	m.told("pager", 3, nil)
	m.told("pager", 1, errors.New("no"))
	_, text := scrape(t, m, "/metrics", nil)
	for _, sample := range []string{
		`inquest_deaths_total{cause="MEM001",namespace="shop"} 3`, `inquest_incidents{state="open"} 2`, `name="web",namespace="shop",rule="MEM001"} 2`,
		`inquest_notifications_total{result="taken",target="pager"} 3`, `inquest_notifications_total{result="failed",target="pager"} 1`,
		`inquest_build_info{revision="none",version="v0"} 1`, `inquest_console_info{url="https://inquest.example.com"} 1`, "inquest_deaths_unsettled 0",
	} {
		if !strings.Contains(text, sample) {
			t.Errorf("%s is missing in\n%s", sample, text)
		}
	}
	w.after(2 * time.Hour)
	must(t, w.Store.Sweep(t.Context(), w.now()))
	_, err = m.tally(t.Context(), w.Store, cluster, place, w.now())
	must(t, err)
	if _, text = scrape(t, m, "/metrics", nil); strings.Contains(text, "inquest_incident_pods{") {
		t.Error("what has closed is still listed")
	}
}

// TestRest: whoever records no more tells of nothing that was so then, by which alerts would be for ever.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, alerts("http://127.0.0.1:1"))
		w.when = time.Now().Add(-time.Hour)
		w.dies("web", "it died", "web-0", "web-1")
		open := w.deaths("api", "it died", "api-0")
		open[0].Verdict.Settled = false
		must(t, w.Store.Record(t.Context(), open...))
		must(t, w.Store.Gaps(t.Context(), history.Gap{Cluster: cluster, What: "a watch broke off", From: w.now(), To: time.Now()}))
		samples := []string{
			`inquest_incidents{state="open"} 2`, "inquest_deaths_unsettled 1", "inquest_deaths_unsettled_age_seconds 3600", "inquest_notifications_waiting 2",
			"inquest_notifications_waiting_age_seconds 3596", "inquest_watch_gaps 1", "inquest_leader 1",
		}
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if err := w.Meter.Follow(ctx, w.Store, cluster, w.Log); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		_, text := scrape(t, w.Meter, "/metrics", nil)
		for _, sample := range samples {
			if !strings.Contains(text, "\n"+sample+"\n") {
				t.Errorf("%s is missing in\n%s", sample, text)
			}
		}
		stop()
		group.Wait()
		_, text = scrape(t, w.Meter, "/metrics", nil)
		for _, sample := range samples {
			name, _, _ := strings.Cut(sample, " ")
			if strings.Contains(text, "\n"+name+" ") && !strings.Contains(text, "\n"+name+" 0\n") {
				t.Errorf("%s is told of still", name)
			}
		}
	})
}

// TestBounded: however many namespaces there are, the labels have an end.
func TestBounded(t *testing.T) {
	m := NewMeter("v0", "")
	for i := range 5000 {
		m.count(&history.Tallied{Namespace: fmt.Sprintf("n%d", i), Rule: fmt.Sprintf("R%d", i%3)})
	}
	_, text := scrape(t, m, "/metrics", nil)
	n := strings.Count(text, "\ninquest_deaths_total{")
	if n > mostPairs+3 || !strings.Contains(text, `inquest_deaths_total{cause="R1",namespace="(others)"}`) {
		t.Errorf("%d series", n)
	}
}

func TestHealth(t *testing.T) {
	m := NewMeter("v0", "")
	for path, expected := range map[string][2]int{"/healthz": {200, 200}, "/readyz": {200, 503}, "/metrics": {200, 200}, "/debug/pprof/": {404, 404}} {
		for i, ready := range []error{nil, errors.New("postgres://user:word@db is down")} {
			status, text := scrape(t, m, path, ready)
			want(t, path, status, expected[i])
			if strings.Contains(text, "word@db") {
				t.Errorf("%s says why it is not ready to whoever asks: %s", path, text)
			}
		}
	}
}

// TestMonitoringNames: what dashboards and alerts ask for is what the program has; the lab has them parsed.
func TestMonitoringNames(t *testing.T) {
	m := NewMeter("v0", "")
	m.At("https://inquest.example.com")
	m.Watch(func() watch.Figures { return watch.Figures{InStep: true, Pods: 3, Failures: 2} })
	m.told("x", 1, nil)
	m.incidents.WithLabelValues("open").Set(1)
	m.open.WithLabelValues("", "", "", "", "").Set(1)
	m.count(&history.Tallied{Missing: "x", Lag: time.Second})
	m.count(&history.Tallied{Counted: true})
	_, text := scrape(t, m, "/metrics", nil)
	for _, sample := range []string{"inquest_watched_pods 3", `inquest_captures_total{result="failed"} 2`, "inquest_watch_in_step 1"} {
		if !strings.Contains(text, sample) {
			t.Errorf("%s is missing", sample)
		}
	}
	asked := map[string]bool{}
	for _, name := range []string{"dashboard.json", "rules.yaml"} {
		data, err := os.ReadFile("../../deploy/monitoring/" + name)
		must(t, err)
		for _, metric := range regexp.MustCompile(`\b(inquest|process|go)_[a-z_]+\b`).FindAllString(string(data), -1) {
			asked[metric] = true
			if !strings.Contains(text, "\n"+metric+" ") && !strings.Contains(text, "\n"+metric+"{") {
				t.Errorf("%s: there is no %s", name, metric)
			}
		}
	}
	for _, metric := range regexp.MustCompile(`(?m)^# TYPE (inquest_[a-z_]+)`).FindAllStringSubmatch(text, -1) {
		if !asked[metric[1]] && !asked[metric[1]+"_bucket"] {
			t.Errorf("nothing shows %s", metric[1])
		}
	}
}
