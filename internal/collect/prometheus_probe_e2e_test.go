// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package collect

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// TestPrometheusAnswers asks a real Prometheus that has half an hour of the probes and pauses of two pods of a workload, and of another that has the
// slowest of all. The kubelet of one began anew after a slow answer, and the other's slow answer was before all that was scraped.
func TestPrometheusAnswers(t *testing.T) {
	until := time.Now().Truncate(time.Minute)
	p := Prometheus{URL: "http://" + servePrometheus(t, probed(until)), Window: time.Hour}
	a, err := p.Answers(t.Context(), web, "app", until)
	if err != nil {
		t.Fatal(err)
	}
	live, ready := a.Slowest["Liveness"], a.Slowest["Readiness"]
	if live.Within != 2.5 || ready.Within != 5 || live.Answered < 100 || live.Failed < 10 || len(a.Slowest) != 2 || len(a.Unread) != 0 {
		t.Errorf("read %+v", a)
	}
	want := map[string]float64{"its CPU limit, which stopped it in 50%": 0.06, "go_gc_duration_seconds": 0.4, "jvm_gc_pause_seconds_max": 0.7, "jvm_gc_collection_seconds": 0.2, "nodejs_gc_duration_seconds": 0.1}
	for word, lasts := range want {
		found := false
		for _, pause := range a.Pauses {
			found = found || strings.Contains(pause.By, word) && math.Abs(pause.Lasts-lasts) < 0.01
		}
		if !found {
			t.Errorf("%s: not %gs in %+v", word, lasts, a.Pauses)
		}
	}
	if len(a.Pauses) != len(want) {
		t.Errorf("it stood still by %+v", a.Pauses)
	}
}

// probed is what a Prometheus has scraped, each half a minute, of how pods answer and pause.
func probed(until time.Time) []byte {
	var b bytes.Buffer
	const n = 60
	write := func(series string, of func(i int) float64) {
		for i := range n {
			fmt.Fprintf(&b, "%s %g %d\n", series, of(i), until.Add(time.Duration(i-n)*30*time.Second).Unix())
		}
	}
	one, other, alien := `namespace="shop",pod="web-5d4c8b7f9-bcd2f"`, `namespace="shop",pod="web-5d4c8b7f9-fgh4j"`, `namespace="shop",pod="other-5d4c8b7f9-bcd2f"`
	rises := func(by, first float64) func(int) float64 { return func(i int) float64 { return first + by*float64(i) } }
	b.WriteString("# TYPE prober_probe_duration_seconds histogram\n")
	for _, end := range []struct {
		le   string
		late float64 // answers that were slower
	}{{"0.5", 1}, {"1", 1}, {"2.5", 0}, {"+Inf", 0}} {
		// one answer of more than a second, and then a kubelet that has forgotten it
		write(fmt.Sprintf(`prober_probe_duration_seconds_bucket{%s,container="app",probe_type="Liveness",le=%q}`, one, end.le), func(i int) float64 {
			if i < 20 {
				return float64(i) - min(float64(i), end.late)
			}
			return 3 * float64(i-20)
		})
	}
	for _, end := range []struct {
		le   string
		late float64
	}{{"1", 1}, {"5", 0}, {"+Inf", 0}} { // one of a hundred answers was slow, before anything was scraped
		write(fmt.Sprintf(`prober_probe_duration_seconds_bucket{%s,container="app",probe_type="Readiness",le=%q}`, other, end.le), rises(3, 100-end.late))
	}
	write(fmt.Sprintf(`prober_probe_duration_seconds_bucket{%s,container="app",probe_type="Startup",le="+Inf"}`, alien), rises(3, 0))
	b.WriteString("# TYPE prober_probe counter\n")
	write(fmt.Sprintf(`prober_probe_total{%s,container="app",probe_type="Liveness",result="successful"}`, one), rises(3, 0))
	write(fmt.Sprintf(`prober_probe_total{%s,container="app",probe_type="Liveness",result="failed"}`, one), rises(0.5, 0))
	for name, by := range map[string]float64{"container_cpu_cfs_periods": 300, "container_cpu_cfs_throttled_periods": 150, "container_cpu_cfs_throttled_seconds": 9} {
		fmt.Fprintf(&b, "# TYPE %s counter\n", name)
		write(fmt.Sprintf(`%s_total{%s,container="app"}`, name, one), rises(by, 0))
	}
	b.WriteString("# TYPE go_gc_duration_seconds summary\n")
	write(fmt.Sprintf(`go_gc_duration_seconds{%s,quantile="1"}`, one), rises(0, 0.4))
	write(fmt.Sprintf(`go_gc_duration_seconds{%s,container="other",quantile="1"}`, other), rises(0, 4))
	b.WriteString("# TYPE jvm_gc_pause_seconds_max gauge\n")
	write(fmt.Sprintf(`jvm_gc_pause_seconds_max{%s,container="app"}`, one), func(i int) float64 { return map[bool]float64{true: 0.7}[i == 30] })
	b.WriteString("# TYPE jvm_gc_collection_seconds summary\n")
	for gc, each := range map[string]float64{"G1 Young Generation": 0.2, "G1 Concurrent GC": 8} {
		write(fmt.Sprintf(`jvm_gc_collection_seconds_sum{%s,container="app",gc=%q}`, one, gc), rises(each, 0))
		write(fmt.Sprintf(`jvm_gc_collection_seconds_count{%s,container="app",gc=%q}`, one, gc), rises(1, 0))
	}
	b.WriteString("# TYPE nodejs_gc_duration_seconds histogram\n")
	for le, by := range map[string]float64{"0.01": 2, "0.1": 3, "1": 3, "+Inf": 3} {
		write(fmt.Sprintf(`nodejs_gc_duration_seconds_bucket{%s,kind="major",le=%q}`, one, le), rises(by, 0))
	}
	b.WriteString("# EOF\n")
	return b.Bytes()
}
