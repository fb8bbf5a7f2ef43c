// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bufio"
	"cmp"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxMetrics bounds how much of a metrics page is read: those of a large cluster have some tens of MiB.
	maxMetrics = 128 << 20
	// maxSeries bounds the series of one family that are kept apart, as the webhooks.
	maxSeries = 200
)

// A histogram sums up Prometheus histograms of any labels.
type histogram struct {
	buckets    map[float64]float64 // cumulative counts by upper bound
	sum, count float64
}

func (h *histogram) add(part, le string, value float64) {
	switch part {
	case "_sum":
		h.sum += value
	case "_count":
		h.count += value
	case "_bucket":
		if bound, err := strconv.ParseFloat(le, 64); err == nil {
			if h.buckets == nil {
				h.buckets = map[float64]float64{}
			}
			if _, known := h.buckets[bound]; known || len(h.buckets) < maxSeries {
				h.buckets[bound] += value
			}
		}
	}
}

// since returns what came to the histogram after it was old. A server that began anew has nothing old.
func (h *histogram) since(old *histogram) *histogram {
	if old == nil || h.count < old.count {
		return h
	}
	d := &histogram{buckets: map[float64]float64{}, sum: h.sum - old.sum, count: h.count - old.count}
	for bound, n := range h.buckets {
		d.buckets[bound] = n - old.buckets[bound]
	}
	return d
}

func (h *histogram) mean() float64 {
	if h.count <= 0 {
		return 0
	}
	return h.sum / h.count
}

// quantile estimates as Prometheus' histogram_quantile does: within a bucket the values are taken as spread evenly.
func (h *histogram) quantile(q float64) float64 {
	bounds := slices.Sorted(maps.Keys(h.buckets))
	if len(bounds) == 0 {
		return 0
	}
	rank, below, lower := q*h.buckets[bounds[len(bounds)-1]], 0.0, 0.0
	for _, bound := range bounds {
		n := h.buckets[bound]
		switch {
		case n < rank:
			below, lower = n, bound
		case math.IsInf(bound, 1) || n == below:
			return lower
		default:
			return lower + (bound-lower)*(rank-below)/(n-below)
		}
	}
	return lower
}

// A scrape is what one look at an API server's metrics says.
type scrape struct {
	requests, etcd    histogram
	webhooks          map[string]*histogram
	rejected          map[string]float64 // by priority level and reason
	terminated, total float64            // requests that the server gave up on; all requests
	failed            float64            // requests answered with a server's error
	storage           float64            // bytes of etcd's database
	sli               bool               // requests are those of the indicator, without what webhooks took
}

// families say what is read of a metrics page, and where it goes.
var families = map[string]func(*scrape, string, map[string]string, float64){
	"apiserver_request_sli_duration_seconds": func(s *scrape, part string, labels map[string]string, v float64) {
		if !s.sli {
			s.sli, s.requests = true, histogram{}
		}
		if !longRunning(labels) {
			s.requests.add(part, labels["le"], v)
		}
	},
	"apiserver_request_duration_seconds": func(s *scrape, part string, labels map[string]string, v float64) {
		if !s.sli && !longRunning(labels) {
			s.requests.add(part, labels["le"], v)
		}
	},
	"etcd_request_duration_seconds": func(s *scrape, part string, labels map[string]string, v float64) { s.etcd.add(part, labels["le"], v) },
	"apiserver_admission_webhook_admission_duration_seconds": func(s *scrape, part string, labels map[string]string, v float64) {
		name := labels["name"]
		if s.webhooks[name] == nil && len(s.webhooks) < maxSeries {
			s.webhooks[name] = &histogram{}
		}
		if h := s.webhooks[name]; h != nil {
			h.add(part, labels["le"], v)
		}
	},
	"apiserver_flowcontrol_rejected_requests_total": func(s *scrape, _ string, labels map[string]string, v float64) {
		if key := labels["priority_level"] + " (" + labels["reason"] + ")"; len(s.rejected) < maxSeries || s.rejected[key] > 0 {
			s.rejected[key] += v
		}
	},
	"apiserver_request_terminations_total": func(s *scrape, _ string, _ map[string]string, v float64) { s.terminated += v },
	"apiserver_request_total": func(s *scrape, _ string, labels map[string]string, v float64) {
		if s.total += v; strings.HasPrefix(labels["code"], "5") {
			s.failed += v
		}
	},
	"apiserver_storage_size_bytes":             func(s *scrape, _ string, _ map[string]string, v float64) { s.storage = max(s.storage, v) },
	"apiserver_storage_db_total_size_in_bytes": func(s *scrape, _ string, _ map[string]string, v float64) { s.storage = max(s.storage, v) },
	"etcd_db_total_size_in_bytes":              func(s *scrape, _ string, _ map[string]string, v float64) { s.storage = max(s.storage, v) },
}

// longRunning tells whether a request is one that lasts as long as its client wants.
func longRunning(labels map[string]string) bool {
	switch labels["verb"] {
	case "WATCH", "WATCHLIST", "CONNECT":
		return true
	}
	return slices.Contains([]string{"log", "exec", "attach", "portforward", "proxy"}, labels["subresource"])
}

// readMetrics reads an API server's metrics, and keeps only sums of the families that are of use.
func readMetrics(r io.Reader) (*scrape, error) {
	s := &scrape{webhooks: map[string]*histogram{}, rejected: map[string]float64{}}
	err := eachSample(r, func(name string) bool { return families[familyOf(name)] != nil }, func(name string, labels map[string]string, value float64) {
		family := familyOf(name)
		families[family](s, name[len(family):], labels, value)
	})
	return s, err
}

// familyOf returns the name of a family that is of use without what names a part of it, or the name itself.
func familyOf(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && families[base] != nil {
			return base
		}
	}
	return name
}

// eachSample reads Prometheus' text form line by line and hands on the samples whose names are wanted.
func eachSample(r io.Reader, wanted func(name string) bool, take func(name string, labels map[string]string, value float64)) error {
	lines := bufio.NewScanner(io.LimitReader(r, maxMetrics))
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, rest := metricName(string(line))
		if !wanted(name) {
			continue
		}
		if labels, value, ok := metricSample(rest); ok {
			take(name, labels, value)
		}
	}
	return lines.Err()
}

func metricName(line string) (name, rest string) {
	i := strings.IndexAny(line, "{ ")
	if i < 0 {
		return line, ""
	}
	return line[:i], line[i:]
}

// metricSample reads labels in braces and the value behind them.
func metricSample(rest string) (labels map[string]string, value float64, ok bool) {
	labels = map[string]string{}
	if strings.HasPrefix(rest, "{") {
		rest = rest[1:]
		for !strings.HasPrefix(rest, "}") {
			key, after, found := strings.Cut(rest, `="`)
			end := quoteEnd(after)
			if !found || end < 0 {
				return nil, 0, false
			}
			labels[strings.TrimLeft(key, ", ")] = after[:end]
			rest = after[end+1:]
		}
		rest = rest[1:]
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return nil, 0, false
	}
	value, err := strconv.ParseFloat(fields[0], 64)
	return labels, value, err == nil && !math.IsNaN(value)
}

// quoteEnd returns where a quoted value ends, or -1. Escapes stay as they are: nothing here depends on them.
func quoteEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// most returns the key with the greatest value.
func most(values map[string]float64) (key string, value float64) {
	for _, k := range slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		return cmp.Or(cmp.Compare(values[b], values[a]), cmp.Compare(a, b))
	}) {
		return k, values[k]
	}
	return "", 0
}
