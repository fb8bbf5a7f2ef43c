// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answering serves a vector for each question that has one of these words in it, and none for others.
func answering(t *testing.T, vectors map[string]string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, result := r.FormValue("query"), ""
		for word, vector := range vectors {
			if strings.Contains(query, word) {
				result = vector
			}
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// vector is what a Prometheus answers, by pairs of labels and a number.
func vector(pairs ...string) string {
	var list []string
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, fmt.Sprintf(`{"metric":{%s},"value":[1750000000,%q]}`, pair[0], pair[1]))
	}
	return strings.Join(list, ",")
}

func bucket(kind, le string) string { return fmt.Sprintf(`"probe_type":%q,"le":%q`, kind, le) }

// TestAnswers: what is read of probes and pauses, and what is said of the rest.
func TestAnswers(t *testing.T) {
	const nothing = "probe latencies not read: the Prometheus has no prober_probe_duration_seconds of it, which is an alpha metric of kubelets; have it scrape their /metrics/probes"
	const unheld = "throttling not read: the Prometheus has no container_cpu_cfs_periods_total of it, as is so where it has no CPU limit"
	const unswept = "pauses of a garbage collector not read: the Prometheus has none of its pods, by the metrics that Go, Java and Node.js export"
	for name, c := range map[string]struct {
		vectors map[string]string
		want    Answering
	}{
		"nothing": {nil, Answering{Slowest: map[string]Slowest{}, Unread: []string{nothing, unheld, unswept}}},
		"probes": {map[string]string{
			"prober_probe_duration_seconds_bucket": vector(
				bucket("Liveness", "0.5"), "90", bucket("Liveness", "1"), "100", bucket("Liveness", "2.5"), "100", bucket("Liveness", "+Inf"), "100",
				bucket("Readiness", "10"), "7", bucket("Readiness", "+Inf"), "8",
			),
			"prober_probe_total": vector(`"probe_type":"Liveness","result":"successful"`, "99.6", `"probe_type":"Liveness","result":"failed"`, "3.2", `"probe_type":"Startup","result":"successful"`, "2"),
		}, Answering{Slowest: map[string]Slowest{"Liveness": {1, 100, 3}, "Readiness": {math.Inf(1), 0, 0}, "Startup": {math.Inf(1), 2, 0}}, Unread: []string{unheld, unswept}}},
		"pauses": {map[string]string{
			"sum(increase(container_cpu_cfs_throttled_periods_total":  vector("", "0.25"),
			"rate(container_cpu_cfs_throttled_seconds_total":          vector("", "0.08"),
			"max_over_time(go_gc_duration_seconds":                    vector("", "0.3"),
			"max_over_time(nodejs_gc_duration_seconds_bucket":         vector("", "NaN"),
			"max_over_time(jvm_gc_pause_seconds_max":                  vector("", "+Inf"),
			"max(max_over_time((rate(jvm_gc_collection_seconds_sum{n": vector("", "1.5"),
		}, Answering{Slowest: map[string]Slowest{}, Unread: []string{nothing}, Pauses: []Pause{
			{0.08, "its CPU limit, which stopped it in 25% of its periods (container_cpu_cfs_throttled_seconds_total)"},
			{0.3, "its garbage collector (go_gc_duration_seconds)"},
			{1.5, "its garbage collector (jvm_gc_collection_seconds, the highest mean of 5m)"},
		}}},
		"a limit that stopped nothing": {map[string]string{"sum(increase(container_cpu_cfs_throttled_periods_total": vector("", "NaN")}, Answering{Slowest: map[string]Slowest{}, Unread: []string{nothing, unswept}}},
		"on many processors": {map[string]string{
			"sum(increase(container_cpu_cfs_throttled_periods_total": vector("", "0.9"), "rate(container_cpu_cfs_throttled_seconds_total": vector("", "6"),
		}, Answering{Slowest: map[string]Slowest{}, Unread: []string{nothing, unswept}, Pauses: []Pause{{1, "its CPU limit, which stopped it in 90% of its periods (container_cpu_cfs_throttled_seconds_total)"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := Prometheus{URL: answering(t, c.vectors), Window: time.Hour}
			got, err := p.Answers(t.Context(), web, "app", time.Unix(1_750_000_000, 0))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
	if _, err := (Prometheus{URL: "http://127.0.0.1:1", Window: time.Hour}).Answers(t.Context(), web, "app", time.Unix(1_750_000_000, 0)); err == nil || !strings.HasPrefix(err.Error(), "ask Prometheus at http://127.0.0.1:1: ") {
		t.Errorf("of nobody: %v", err)
	}
}
