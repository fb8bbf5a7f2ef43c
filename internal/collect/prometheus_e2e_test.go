// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package collect

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestPrometheus asks a real Prometheus that has six hours of two pods of a workload, and of others.
func TestPrometheus(t *testing.T) {
	until := time.Now().Truncate(time.Minute)
	at := servePrometheus(t, history(until))
	used, err := Prometheus{URL: "http://" + at, Window: 4 * time.Hour}.Usage(t.Context(), web, "app", until)
	if err != nil {
		t.Fatal(err)
	}
	if !used.Counted || used.Throttled < 0.29 || used.Throttled > 0.31 {
		t.Errorf("throttled in %.2f of its periods, want 0.3", used.Throttled)
	}
	if r, err := (Prometheus{URL: "http://" + at, Window: time.Hour}).Runtime(t.Context(), web, "app", false, until); err != nil || r != (Runtime{"Go", "go1.24.1", "go_info"}) {
		t.Errorf("its runtime is %+v, %v", r, err)
	}
	memory, cpu := used.Memory, used.CPU
	if len(memory) != 2 || len(cpu) != 2 {
		t.Fatalf("%d series of memory and %d of processors, want 2 of each", len(memory), len(cpu))
	}
	for i, m := range memory {
		high := 0.0
		for _, s := range m.Steps {
			high = max(high, s.Value)
		}
		if want := until.Add(-6 * time.Hour); !m.Began.Equal(want.UTC()) {
			t.Errorf("%s began at %s, want %s", m.Of, m.Began, want)
		}
		if m.Of.Namespace != "shop" || m.Of.Container != "app" || len(m.Steps) < 200 || high != 500<<20 {
			t.Errorf("%s: %d steps, at most %.0f", m.Of, len(m.Steps), high)
		}
		last := cpu[i].Steps[len(cpu[i].Steps)-1].Value
		if last < 0.19 || last > 0.21 {
			t.Errorf("%s used %.3f processors, want 0.2", cpu[i].Of, last)
		}
	}
}

// history is what a Prometheus has scraped of containers, each half a minute; for one sample in six hours memory is high.
func history(until time.Time) []byte {
	var b bytes.Buffer
	pods := []string{"web-5d4c8b7f9-bcd2f", "web-5d4c8b7f9-fgh4j", "web", "web-agent-fgh4j", "web-db-0", "other-5d4c8b7f9-bcd2f"}
	for _, metric := range []string{"container_memory_working_set_bytes", "container_cpu_usage_seconds"} {
		kind, suffix := "gauge", ""
		if metric == "container_cpu_usage_seconds" {
			kind, suffix = "counter", "_total"
		}
		fmt.Fprintf(&b, "# TYPE %s %s\n", metric, kind)
		for _, pod := range pods {
			for i := range 720 {
				value := float64(100 << 20)
				if suffix != "" {
					value = 0.2 * 30 * float64(i)
				} else if i == 600 {
					value = 500 << 20
				}
				fmt.Fprintf(&b, "%s%s{namespace=\"shop\",pod=%q,container=\"app\"} %g %d\n", metric, suffix, pod, value, until.Add(time.Duration(i-720)*30*time.Second).Unix())
			}
		}
	}
	heldBack(&b, until, pods[:2])
	b.WriteString("# TYPE go_info gauge\n")
	for _, pod := range pods {
		fmt.Fprintf(&b, "go_info{namespace=\"shop\",pod=%q,container=\"app\",version=\"go1.24.1\"} 1 %d\n", pod, until.Add(-time.Minute).Unix())
	}
	b.WriteString("# EOF\n")
	return b.Bytes()
}

// heldBack writes what it has scraped of when containers began, and of how far their CPU limit held them back.
func heldBack(b *bytes.Buffer, until time.Time, pods []string) {
	for metric, value := range map[string]func(i int) int64{
		"container_start_time_seconds":        func(int) int64 { return until.Add(-6 * time.Hour).Unix() },
		"container_cpu_cfs_periods":           func(i int) int64 { return int64(300 * i) },
		"container_cpu_cfs_throttled_periods": func(i int) int64 { return int64(90 * i) },
	} {
		kind, suffix := "counter", "_total"
		if metric == "container_start_time_seconds" {
			kind, suffix = "gauge", ""
		}
		fmt.Fprintf(b, "# TYPE %s %s\n", metric, kind)
		for i := range 720 {
			for _, pod := range pods {
				fmt.Fprintf(b, "%s%s{namespace=\"shop\",pod=%q,container=\"app\"} %d %d\n", metric, suffix, pod, value(i), until.Add(time.Duration(i-720)*30*time.Second).Unix())
			}
		}
	}
}

// servePrometheus has a Prometheus serve what is in a file of OpenMetrics, and returns its address.
func servePrometheus(t *testing.T, metrics []byte) string {
	dir := t.TempDir()
	file, config, data := filepath.Join(dir, "metrics"), filepath.Join(dir, "prometheus.yml"), filepath.Join(dir, "data")
	for name, text := range map[string][]byte{file: metrics, config: nil} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "openmetrics", file, data).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(t.Context(), "prometheus", "--config.file="+config, "--web.listen-address="+at, "--storage.tsdb.path="+data)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() }) // it is killed when the test ends
	client := &http.Client{Timeout: 5 * time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/-/ready", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return at
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("Prometheus does not answer: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
