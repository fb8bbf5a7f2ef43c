// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Answering is how a container answered its probes, and what held it up.
type Answering struct {
	Slowest map[string]Slowest // by the kubelet's word for the probe: Startup, Liveness, Readiness
	Pauses  []Pause            // of each sort that is measured the longest
	Unread  []string           // what the Prometheus does not have, as sentences
}

// Slowest bounds the answers of a probe, and says how often it was asked.
type Slowest struct {
	Within   float64 // seconds that the slowest took at most; +Inf: it is not known
	Answered int
	Failed   int
}

// A Pause is how long a container stood still at most, in seconds.
type Pause struct {
	Lasts float64
	By    string // what stopped it, and what tells so
}

// The kubelet's metrics of probes (kubernetes pkg/kubelet/prober/prober_manager.go): the duration is alpha, and of answers alone, as a try that
// fails is not in it. They are served under /metrics/probes.
const (
	probeDuration = "prober_probe_duration_seconds"
	probeTotal    = "prober_probe_total"
)

// longestPeriod is the longest in which a CPU limit is accounted, in seconds (kubelet configuration, cpuCFSQuotaPeriod): the container
// stands still for no longer before it is given more.
const longestPeriod = 1.0

// collectors are what runtimes export of pauses of their garbage collectors, %[1]s a choice of series and %[2]s how far to look back. The mean is
// of no single pause, and leaves out what runs beside the program.
var collectors = []struct{ name, query string }{
	{"go_gc_duration_seconds", `max(max_over_time(go_gc_duration_seconds{%[1]s,quantile="1"}[%[2]s]))`},
	{"jvm_gc_pause_seconds_max", `max(max_over_time(jvm_gc_pause_seconds_max{%[1]s}[%[2]s]))`},
	{"jvm_gc_collection_seconds, the highest mean of 5m", `max(max_over_time((rate(jvm_gc_collection_seconds_sum{%[1]s,gc!~".*(Concurrent|Cycles).*"}[5m]) / (rate(jvm_gc_collection_seconds_count{%[1]s,gc!~".*(Concurrent|Cycles).*"}[5m]) > 0))[%[2]s:5m]))`},
	{"nodejs_gc_duration_seconds, by its buckets", `histogram_quantile(1, sum by (le) (max_over_time(nodejs_gc_duration_seconds_bucket{%[1]s}[%[2]s])))`},
}

// An asking puts questions about one container.
type asking struct {
	Prometheus
	server promv1.API
	until  time.Time
	probes string // choose the series of the kubelet about the container
	own    string // and those that its pods export, which need not say which container they are of
}

// Answers returns how containers of that name answered their probes, of the pods of a workload, and what held them up.
func (p Prometheus) Answers(ctx context.Context, workload evidence.Ref, container string, until time.Time) (Answering, error) {
	server, err := p.server()
	if err != nil {
		return Answering{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, promTime)
	defer cancel()
	pods := fmt.Sprintf("namespace=%q,pod=~%q", workload.Namespace, podsOf(workload))
	q := asking{
		Prometheus: p, server: server, until: until,
		probes: fmt.Sprintf("%s,container=%q", pods, container),
		own:    fmt.Sprintf("%s,container=~%q", pods, regexp.QuoteMeta(container)+"|"),
	}
	a := Answering{Slowest: map[string]Slowest{}}
	for _, read := range []func(context.Context, *Answering) error{q.latencies, q.throttling, q.collecting} {
		if err := read(ctx, &a); err != nil {
			return Answering{}, err
		}
	}
	return a, nil
}

// back is how far to look back, as Prometheus writes it.
func (q *asking) back() string { return model.Duration(q.Window).String() }

// ask puts a question whose answer is a number for each choice of labels.
func (q *asking) ask(ctx context.Context, text string) (model.Vector, error) {
	value, _, _, err := q.server.Query(ctx, text, q.until)
	if err != nil {
		return nil, q.failed(err)
	}
	list, ok := value.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("ask Prometheus at %s: it answered with a %s where a vector was expected", q.shown(), value.Type())
	}
	return list, nil
}

// highest is the one number that a question has for an answer; 0 where it has none.
func (q *asking) highest(ctx context.Context, text string) (float64, error) {
	list, err := q.ask(ctx, text)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	if n := float64(list[0].Value); n > 0 && !math.IsInf(n, 0) { // not when nothing was divided by nothing
		return n, nil
	}
	return 0, nil
}

// latencies reads how long answers took, and how often a probe failed.
func (q *asking) latencies(ctx context.Context, a *Answering) error {
	within, err := q.bounds(ctx)
	if err != nil {
		return err
	}
	results, err := q.ask(ctx, fmt.Sprintf("sum by (probe_type, result) (increase(%s{%s}[%s]))", probeTotal, q.probes, q.back()))
	if err != nil {
		return err
	}
	for kind, bound := range within {
		a.Slowest[kind] = Slowest{Within: bound}
	}
	for _, r := range results {
		kind := string(r.Metric["probe_type"])
		s, known := a.Slowest[kind]
		if !known {
			s.Within = math.Inf(1)
		}
		switch n := times(r.Value); r.Metric["result"] {
		case "successful":
			s.Answered = n
		case "failed":
			s.Failed = n
		}
		a.Slowest[kind] = s
	}
	if len(within) == 0 {
		a.Unread = append(a.Unread, "probe latencies not read: the Prometheus has no "+probeDuration+" of it, which is an alpha metric of kubelets; have it scrape their /metrics/probes")
	}
	return nil
}

// times is a number of times, which Prometheus makes a fraction of.
func times(n model.SampleValue) int {
	if f := math.Round(float64(n)); f > 0 && f < 1<<53 {
		return int(f)
	}
	return 0
}

// bounds returns of each probe how long its slowest answer took at most. Both what was counted since a counter began and what it rose by are
// looked at: the one forgets what was before it began anew, the other its first value.
func (q *asking) bounds(ctx context.Context) (map[string]float64, error) {
	counts := map[string]map[float64]float64{} // by probe and the end of a bucket
	for _, over := range []string{"max_over_time", "increase"} {
		list, err := q.ask(ctx, fmt.Sprintf("sum by (probe_type, le) (%s(%s_bucket{%s}[%s]))", over, probeDuration, q.probes, q.back()))
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			kind, value := string(s.Metric["probe_type"]), float64(s.Value)
			end, err := strconv.ParseFloat(string(s.Metric["le"]), 64)
			if err != nil || math.IsNaN(end) || math.IsNaN(value) {
				continue
			}
			if counts[kind] == nil {
				counts[kind] = map[float64]float64{}
			}
			counts[kind][end] += value
		}
	}
	within := map[string]float64{}
	for kind, buckets := range counts {
		if all := buckets[math.Inf(1)]; all > 0 {
			within[kind] = slowest(buckets, all)
		}
	}
	return within, nil
}

// few is how much of one observation two buckets may differ by and be the same: numbers are added up in any order.
const few = 0.01

// slowest is the end of the first bucket that has them all.
func slowest(buckets map[float64]float64, all float64) float64 {
	least := math.Inf(1)
	for end, n := range buckets {
		if n >= all-few {
			least = min(least, end)
		}
	}
	return least
}

// throttling reads for how long a CPU limit stopped the container, each time, in the five minutes in which that was longest. The kernel adds
// up what each of its processors stood still, so that it is that or less.
func (q *asking) throttling(ctx context.Context, a *Answering) error {
	const share = "sum(increase(container_cpu_cfs_throttled_periods_total{%[1]s}[%[2]s])) / sum(increase(container_cpu_cfs_periods_total{%[1]s}[%[2]s]))"
	const each = "max(max_over_time((rate(container_cpu_cfs_throttled_seconds_total{%[1]s}[5m]) / (rate(container_cpu_cfs_throttled_periods_total{%[1]s}[5m]) > 0))[%[2]s:5m]))"
	list, err := q.ask(ctx, fmt.Sprintf(share, q.probes, q.back()))
	if err != nil {
		return err
	}
	if len(list) == 0 {
		a.Unread = append(a.Unread, "throttling not read: the Prometheus has no container_cpu_cfs_periods_total of it, as is so where it has no CPU limit")
		return nil
	}
	lasts, err := q.highest(ctx, fmt.Sprintf(each, q.probes, q.back()))
	if err == nil && lasts > 0 && list[0].Value > 0 {
		by := fmt.Sprintf("its CPU limit, which stopped it in %.0f%% of its periods (container_cpu_cfs_throttled_seconds_total)", 100*min(float64(list[0].Value), 1))
		a.Pauses = append(a.Pauses, Pause{min(lasts, longestPeriod), by})
	}
	return err
}

// collecting reads for how long a garbage collector stopped the container.
func (q *asking) collecting(ctx context.Context, a *Answering) error {
	before := len(a.Pauses)
	for _, c := range collectors {
		lasts, err := q.highest(ctx, fmt.Sprintf(c.query, q.own, q.back()))
		if err != nil {
			return err
		}
		if lasts > 0 {
			a.Pauses = append(a.Pauses, Pause{lasts, "its garbage collector (" + c.name + ")"})
		}
	}
	if len(a.Pauses) == before {
		a.Unread = append(a.Unread, "pauses of a garbage collector not read: the Prometheus has none of its pods, by the metrics that Go, Java and Node.js export")
	}
	return nil
}
