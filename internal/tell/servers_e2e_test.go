// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package tell

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// start runs a server and waits until it is ready.
func start(t *testing.T, ready, program string, args ...string) {
	t.Helper()
	ended, log := run(t, program, args...)
	eventually(t, program+" is ready", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", program, log)
		default:
		}
		status, _ := get(t, ready)
		return status == http.StatusOK
	})
}

// run runs a program until the test ends, in a folder of its own.
func run(t *testing.T, program string, args ...string) (ended chan struct{}, log *strings.Builder) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s not found: install the package of that name, or build the lab's programs by make lab-up", program)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = t.TempDir()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	ended, log = make(chan struct{}), &strings.Builder{}
	cmd.Stdout, cmd.Stderr = log, log
	must(t, cmd.Start())
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		<-ended // the context of the test has ended
		if t.Failed() {
			text := log.String()
			t.Log(text[max(0, len(text)-3000):])
		}
	})
	return ended, log
}

// eventually waits for what must happen.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-ctx.Done():
			t.Fatalf("it did not come about that %s", what)
		case <-tick.C:
		}
	}
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	must(t, err)
	resp, err := client(true, patience).Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(body)
}

// port returns one that is free.
func port(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// alertmanagerFor starts an Alertmanager that tells a hook at once.
func alertmanagerFor(t *testing.T, hook string) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "alertmanager.yml")
	must(t, os.WriteFile(config, []byte(fmt.Sprintf(`
route: {receiver: hook, group_by: [incident], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: %q, send_resolved: true}]}]
`, hook)), 0o600))
	at := port(t)
	start(t, "http://"+at+"/-/ready", "prometheus-alertmanager", "--config.file="+config, "--web.listen-address="+at,
		"--cluster.listen-address=", "--storage.path="+t.TempDir())
	return at
}

// heard is what an Alertmanager sends to a hook.
type heard struct {
	Status string
	Alerts []struct {
		Status      string
		Labels      map[string]string
		Annotations map[string]string
	}
}

// TestAlertmanager has a real Alertmanager tell a hook of an incident: once that it opened, whatever is sent again, and
// once that it ended; and nothing of what is silenced.
func TestAlertmanager(t *testing.T) {
	hook := newServer(t)
	at := alertmanagerFor(t, hook.URL)
	w := newWorld(t, alerts("http://"+at))
	w.when = time.Now().Add(-59 * time.Minute) // so that it closes soon
	c := w.course(&w.Config.Targets[0])
	silence(t, at, "name", "quiet")
	w.dies("web", "container app was killed at its memory limit of 256Mi", "web-0")
	w.dies("quiet", "it died", "quiet-0")
	w.after(59 * time.Minute)
	w.tell(c)
	eventually(t, "both alerts are there", func() bool { return len(alertsAt(t, at)) == 2 })
	var got []received
	eventually(t, "the hook is told", func() bool { got = append(got, hook.taken()...); return len(got) > 0 })
	for range 3 { // as it is again each minute, and after a crash
		c.repeat(t.Context())
	}
	want(t, "alerts after they were sent again", len(alertsAt(t, at)), 2)

	must(t, w.Store.Sweep(t.Context(), w.now().Add(2*time.Minute)))
	w.after(4 * time.Second)
	w.tell(c)
	eventually(t, "the hook is told of the end", func() bool { got = append(got, hook.taken()...); return len(got) > 1 })
	want(t, "messages", len(got), 2)
	for i, status := range []string{"firing", "resolved"} {
		var h heard
		must(t, json.Unmarshal([]byte(got[i].body), &h))
		want(t, "status", h.Status, status)
		want(t, "name", h.Alerts[0].Labels["name"], "web")
		want(t, "summary", h.Alerts[0].Annotations["summary"], "container app was killed at its memory limit of 256Mi")
	}
}

func alertsAt(t *testing.T, at string) []any {
	t.Helper()
	var all []any
	_, body := get(t, "http://"+at+"/api/v2/alerts")
	must(t, json.Unmarshal([]byte(body), &all))
	return all
}

func silence(t *testing.T, at, label, value string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"matchers": []any{map[string]any{"name": label, "value": value, "isRegex": false, "isEqual": true}},
		"startsAt": time.Now(), "endsAt": time.Now().Add(time.Hour), "createdBy": "test", "comment": "test",
	})
	must(t, err)
	must(t, post(t.Context(), client(true, patience), "http://"+at+"/api/v2/silences", map[string]string{"Content-Type": "application/json"}, body))
}

// TestPrometheus has a real Prometheus scrape the program, and evaluate the alerts and the queries of the dashboard.
func TestPrometheus(t *testing.T) {
	hook := newServer(t)
	am := alertmanagerFor(t, hook.URL)
	w := newWorld(t)
	w.when = time.Now()
	w.Meter.At("https://inquest.example.com")
	w.dies("web", "it died", "web-0", "web-1")
	_, err := w.Meter.tally(t.Context(), w.Store, cluster, 0, w.now().Add(time.Minute))
	must(t, err)
	w.Meter.leading.Set(1)
	metrics, err := Listen(t.Context(), "127.0.0.1:0", w.Meter.Handler(func(context.Context) error { return nil }), w.Log)
	must(t, err)

	dir, at := t.TempDir(), port(t)
	data, err := os.ReadFile("../../deploy/monitoring/rules.yaml")
	must(t, err)
	var rules struct{ Spec any }
	must(t, yaml.Unmarshal(data, &rules))
	data, err = yaml.Marshal(rules.Spec)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "rules.yml"), data, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs: [{job_name: inquest, static_configs: [{targets: [%q]}]}]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
`, metrics.String(), am)), 0o600))
	start(t, "http://"+at+"/-/ready", "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--web.listen-address="+at,
		"--storage.tsdb.path="+filepath.Join(dir, "data"))

	eventually(t, "deaths are scraped", func() bool {
		return strings.Contains(ask(t, at, `inquest_deaths_total{cause="MEM001",namespace="shop"}`), `"2"`)
	})
	var got []received
	eventually(t, "the alert reaches the hook", func() bool { got = append(got, hook.taken()...); return len(got) > 0 })
	var h heard
	must(t, json.Unmarshal([]byte(got[0].body), &h))
	want(t, "alert", h.Alerts[0].Labels["alertname"], "InquestIncidentOpen")
	want(t, "link", h.Alerts[0].Annotations["link"], "https://inquest.example.com/incidents/"+h.Alerts[0].Labels["incident"])

	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	data, err = os.ReadFile("../../deploy/monitoring/dashboard.json")
	must(t, err)
	must(t, json.Unmarshal(data, &dashboard))
	variables := strings.NewReplacer("$__rate_interval", "1m", "$namespace", ".*")
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			if answer := ask(t, at, variables.Replace(target.Expr)); !strings.Contains(answer, `"status":"success"`) {
				t.Errorf("%s: %s", p.Title, answer)
			}
		}
	}
}

func ask(t *testing.T, at, query string) string {
	t.Helper()
	_, body := get(t, "http://"+at+"/api/v1/query?query="+url.QueryEscape(query))
	return body
}
