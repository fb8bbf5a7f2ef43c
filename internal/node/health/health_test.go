// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

var (
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	node = evidence.RefTo("Node", "", "n1")
)

// A world is the files of a host, a clock, and what was told.
type world struct {
	t    *testing.T
	root string
	now  time.Time

	mu   sync.Mutex
	told []record.Entry
}

func newWorld(t *testing.T) *world { return &world{t: t, root: t.TempDir(), now: noon} }

func (w *world) checker(o Options) *Checker {
	w.t.Helper()
	o.Node, o.Root, o.Now = node, w.root, func() time.Time { return w.now }
	o.Tell = func(e record.Entry) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, e)
	}
	c, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.close)
	return c
}

func (w *world) write(name, text string) {
	w.t.Helper()
	name = filepath.Join(w.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// texts are what was told since the last time.
func (w *world) texts() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, e := range w.told {
		if e.Gap != nil {
			all = append(all, fmt.Sprintf("gap %s %d %s: %s", e.Gap.What, e.Gap.Count, e.Gap.Unit, e.Gap.Why))
			continue
		}
		if e.Fact.About != node {
			w.t.Errorf("about %v", e.Fact.About)
		}
		all = append(all, fmt.Sprintf("%s %.6g %s: %s", e.Fact.Name, e.Fact.Value, e.Fact.At.Format(time.TimeOnly), e.Fact.Text))
	}
	w.told = nil
	return strings.Join(all, "\n")
}

func TestKubeletGoesAndComes(t *testing.T) {
	w := newWorld(t)
	var status atomic.Int32
	var took atomic.Int64
	status.Store(200)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.now = w.now.Add(time.Duration(took.Load()))
		rw.WriteHeader(int(status.Load()))
		_, _ = fmt.Fprint(rw, "[+]ping ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n")
	}))
	defer server.Close()
	c := w.checker(Options{Healthz: server.URL + "/healthz"})
	step := func() string {
		c.check(t.Context())
		w.now = w.now.Add(time.Second)
		return w.texts()
	}
	steps := func(n int) (all string) {
		for range n {
			all += step()
		}
		return all
	}
	if got := steps(3); got != "" {
		t.Errorf("of a healthy one: %s", got)
	}
	status.Store(500)
	if got := step(); got != "" {
		t.Errorf("after one failed check: %s", got)
	}
	if diff := cmp.Diff("kubelet-unhealthy 0 12:00:03: /healthz: status 500: [-]syncloop failed: reason withheld", steps(5)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	status.Store(200)
	if diff := cmp.Diff("kubelet-healthy 6 12:00:09: /healthz: ok again after 6s: status 500: [-]syncloop failed: reason withheld", steps(2)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	took.Store(int64(1500 * time.Millisecond))
	if diff := cmp.Diff("kubelet-slow 1.5 12:00:13: /healthz: answered after 1.5s", steps(4)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	took.Store(0)
	if diff := cmp.Diff("kubelet-prompt 0 12:00:22: /healthz: answered after 0s", steps(4)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	server.Close()
	if got := steps(3); !strings.Contains(got, "kubelet-unhealthy") || !strings.Contains(got, "connection refused") {
		t.Errorf("got %s", got)
	}
}

// TestAKubeletThatNeverAnswered may be one that the agent cannot reach.
func TestAKubeletThatNeverAnswered(t *testing.T) {
	w := newWorld(t)
	c := w.checker(Options{Healthz: "http://127.0.0.1:1/healthz"})
	for range 3 {
		c.check(t.Context())
	}
	if diff := cmp.Diff("gap kubelet 0 : the kubelet has never answered at http://127.0.0.1:1/healthz, which only the host's network reaches: connection refused", w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClock(t *testing.T) {
	w := newWorld(t)
	offset, known := time.Duration(0), false
	c := w.checker(Options{Clock: func() (time.Duration, bool) { return offset, known }})
	step := func(o time.Duration) string {
		offset, known = o, true
		c.check(t.Context())
		return w.texts()
	}
	c.check(t.Context())
	for _, s := range []struct {
		offset time.Duration
		want   string
	}{
		{100 * time.Millisecond, "clock-offset 0.1 12:00:00: the machine's clock is 100ms from the API server's"},
		{300 * time.Millisecond, ""},
		{-5 * time.Second, "clock-offset -5 12:00:00: the machine's clock is -5s from the API server's\nclock -5 12:00:00: the machine's clock is -5s from the API server's"},
		{-5100 * time.Millisecond, ""},
		{0, "clock-offset 0 12:00:00: the machine's clock is 0s from the API server's"},
	} {
		if diff := cmp.Diff(s.want, step(s.offset)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.offset, diff)
		}
	}
}

func TestConfiguration(t *testing.T) {
	w := newWorld(t)
	w.write("kubelet/config.yaml", `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
evictionHard: {memory.available: 500Mi, nodefs.available: 10%}
containerLogMaxSize: 10Mi
containerLogMaxFiles: 3
crashLoopBackOff: {maxContainerRestartPeriod: 5s}
systemReserved: {cpu: 100m}
failSwapOn: false
unknown: [1, 2]
`)
	c := w.checker(Options{Config: "kubelet/config.yaml", ConfigDir: "kubelet/conf.d"})
	if _, _, ok := c.Evict("memory.available"); ok {
		t.Error("a threshold is known before the file is read")
	}
	c.files(t.Context())
	if diff := cmp.Diff(`config.containerLogMaxFiles 3 12:00:00: containerLogMaxFiles 3
config.containerLogMaxSize 1.04858e+07 12:00:00: containerLogMaxSize 10Mi
config.crashLoopBackOff.maxContainerRestartPeriod 5 12:00:00: crashLoopBackOff.maxContainerRestartPeriod 5s
config.evictionHard.memory.available 5.24288e+08 12:00:00: evictionHard.memory.available 500Mi
config.evictionHard.nodefs.available 0.1 12:00:00: evictionHard.nodefs.available 10%
config.failSwapOn 0 12:00:00: failSwapOn false
config.systemReserved.cpu 0.1 12:00:00: systemReserved.cpu 100m`, w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.write("kubelet/conf.d/10.conf", "evictionHard: {memory.available: 100Mi}\n")
	w.write("kubelet/conf.d/20.bak", "evictionHard: {memory.available: 200Mi}\n")
	c.files(t.Context())
	if diff := cmp.Diff("config.evictionHard.memory.available 1.04858e+08 12:00:00: evictionHard.memory.available 100Mi", w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for signal, want := range map[string]string{"memory.available": "1.04858e+08 false true", "nodefs.available": "0.1 true true", "pid.available": "0 false true"} {
		value, share, ok := c.Evict(signal)
		if got := fmt.Sprintf("%.6g %v %v", value, share, ok); got != want {
			t.Errorf("%s: %s, want %s", signal, got, want)
		}
	}
}

func TestRunEnds(t *testing.T) {
	w := newWorld(t)
	c := w.checker(Options{Healthz: "http://127.0.0.1:1/healthz", Config: "no", Certificates: []string{"no"}, Logs: []string{"no"}, Systemd: w.root + "/no", Units: []string{"kubelet.service"}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestRunPanics: what goes wrong in one of the things that are looked at is an error of all.
func TestRunPanics(t *testing.T) {
	w := newWorld(t)
	c := w.checker(Options{Config: "no"})
	c.options.Tell = func(record.Entry) { panic("bad") }
	if err := c.Run(t.Context()); err == nil || err.Error() != "it failed: bad" {
		t.Errorf("it ended with %v", err)
	}
}
