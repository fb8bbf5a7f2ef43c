// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/kubeinquest/inquest/internal/history"
)

// A Meter counts what the recorder does. Its labels are bounded: a cause is the id of a rule, a target one of the
// configuration, and of namespaces the first thousand pairs with a cause have their name.
type Meter struct {
	registry *prometheus.Registry

	deaths, missing, kept *prometheus.CounterVec
	lag                   prometheus.Histogram
	notices               *prometheus.CounterVec
	incidents             *prometheus.GaugeVec
	unsettled, waiting    prometheus.Gauge
	oldest, untold        prometheus.Gauge
	gaps, bytes, read     prometheus.Gauge
	leading               prometheus.Gauge
	open, console         *prometheus.GaugeVec

	pairs  map[[2]string]bool // of cause and namespace
	listed map[string]prometheus.Labels
}

const (
	mostPairs = 1000
	others    = "(others)"
)

// NewMeter returns a meter for a program of a version.
func NewMeter(version, revision string) *Meter {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "inquest_" + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "inquest_" + name, Help: help})
	}
	m := &Meter{
		registry: prometheus.NewRegistry(),
		deaths:   counter("deaths_total", "Deaths recorded, by the rule that explains them (undetermined where none does).", "cause", "namespace"),
		missing:  counter("deaths_missing_total", "Deaths of which only the number is known: they happened while nobody saw.", "namespace"),
		kept:     counter("capture_failures_total", "Deaths whose evidence could not be captured, or not all of it.", "namespace"),
		notices:  counter("notifications_total", "Messages to targets, by whether they were taken.", "target", "result"),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "inquest_detection_lag_seconds", Help: "Time from the end of a container, which Kubernetes tells in whole seconds, to its record.",
			Buckets: []float64{0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800},
		}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "inquest_incident_pods", Help: "Pods of each open incident, of the hundred with the latest death.",
		}, []string{"incident", "rule", "kind", "namespace", "name"}),
		console:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "inquest_console_info", Help: "The address of the console; always 1."}, []string{"url"}),
		incidents: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "inquest_incidents", Help: "Incidents that are not closed."}, []string{"state"}),
		unsettled: gauge("deaths_unsettled", "Deaths whose evidence is being captured or waits for that."),
		oldest:    gauge("deaths_unsettled_age_seconds", "How long ago the first of them ended."),
		untold:    gauge("notifications_waiting", "Messages that wait to be sent or to be tried again."),
		waiting:   gauge("notifications_waiting_age_seconds", "How long the first of them has been due."),
		gaps:      gauge("watch_gaps", "Times within a day in which something was not seen."),
		bytes:     gauge("history_size_bytes", "What the history takes."),
		read:      gauge("history_read_timestamp_seconds", "When the history was last read for these figures."),
		leading:   gauge("leader", "Whether this replica is the one that records and tells."),
		pairs:     map[[2]string]bool{},
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "inquest_build_info", Help: "The program; always 1.", ConstLabels: prometheus.Labels{"version": version, "revision": revision},
	})
	build.Set(1)
	m.registry.MustRegister(m.deaths, m.missing, m.kept, m.lag, m.notices, m.incidents, m.unsettled, m.oldest, m.untold, m.waiting,
		m.gaps, m.bytes, m.read, m.leading, build, m.open, m.console,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// told counts messages to a target.
func (m *Meter) told(target string, messages int, err error) {
	result := "taken"
	if err != nil {
		result = "failed"
	}
	m.notices.WithLabelValues(target, result).Add(float64(messages))
}

const (
	// settled is how long a death has to get its last verdict before it is counted.
	settled = 30 * time.Second
	// reading is how often the history is read.
	reading = 5 * time.Second
)

// Follow counts what comes into a history until the context ends. It is to run where this replica leads.
func (m *Meter) Follow(ctx context.Context, s *history.Store, cluster string, log *slog.Logger) error {
	m.leading.Set(1)
	defer m.rest()
	tick := time.NewTicker(reading)
	defer tick.Stop()
	place := int64(-1)
	for {
		next, err := m.tally(ctx, s, cluster, place, time.Now())
		if place = next; err != nil && ctx.Err() == nil {
			log.Error("the history could not be read for metrics", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// rest forgets what only the replica knows that records: another one tells of that now, and what this one read last would be
// so for ever.
func (m *Meter) rest() {
	m.leading.Set(0)
	m.open.Reset()
	m.incidents.Reset()
	for _, g := range []prometheus.Gauge{m.unsettled, m.oldest, m.untold, m.waiting, m.gaps, m.bytes} {
		g.Set(0)
	}
	m.listed = nil
}

// tally reads the history once, from a place on.
func (m *Meter) tally(ctx context.Context, s *history.Store, cluster string, place int64, now time.Time) (int64, error) {
	all, next, err := s.Tally(ctx, cluster, place, now.Add(-settled))
	if err != nil {
		return place, err
	}
	for i := range all {
		m.count(&all[i])
	}
	v, err := s.Vital(ctx, cluster)
	if err != nil {
		return next, err
	}
	if err := m.list(ctx, s, cluster); err != nil {
		return next, err
	}
	m.incidents.WithLabelValues("open").Set(float64(v.Open))
	m.incidents.WithLabelValues("quiet").Set(float64(v.Quiet))
	m.unsettled.Set(float64(v.Unsettled))
	m.oldest.Set(age(v.Oldest, now))
	m.untold.Set(float64(v.Untold))
	m.waiting.Set(age(v.Due, now))
	m.gaps.Set(float64(v.Gaps))
	m.bytes.Set(float64(v.Bytes))
	m.read.Set(float64(now.Unix()))
	return next, nil
}

// mostOpen is how many open incidents have a series.
const mostOpen = 100

func (m *Meter) list(ctx context.Context, s *history.Store, cluster string) error {
	page, err := s.Incidents(ctx, history.Filter{Cluster: cluster, States: []history.State{history.StateOpen}, Limit: mostOpen})
	if err != nil {
		return err
	}
	gone := m.listed
	m.listed = map[string]prometheus.Labels{}
	for i := range page.Items {
		in := &page.Items[i]
		of := prometheus.Labels{
			"incident": in.ID, "rule": line(rule(in.Rule), maxName), "kind": line(in.Thing.Kind, maxName),
			"namespace": line(in.Thing.Namespace, maxName), "name": line(in.Thing.Name, 2*maxName),
		}
		m.open.With(of).Set(float64(in.Pods))
		m.listed[in.ID] = of
		delete(gone, in.ID)
	}
	for _, of := range gone { // last, so that whoever scrapes meanwhile misses none
		m.open.Delete(of)
	}
	return nil
}

// At says where the console is, which alerts and dashboards link to.
func (m *Meter) At(console string) {
	if console != "" {
		m.console.WithLabelValues(strings.TrimSuffix(console, "/")).Set(1)
	}
}

func age(since, now time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(now.Sub(since).Seconds(), 0)
}

func (m *Meter) count(t *history.Tallied) {
	cause := rule(t.Rule)
	namespace := m.namespace(cause, t.Namespace)
	if t.Counted {
		m.missing.WithLabelValues(namespace).Inc()
		return
	}
	m.deaths.WithLabelValues(cause, namespace).Inc()
	if t.Missing != "" {
		m.kept.WithLabelValues(namespace).Inc()
	}
	if t.Lag > 0 {
		m.lag.Observe(t.Lag.Seconds())
	}
}

// namespace returns the label of a namespace, which is its name for the first thousand pairs with a cause.
func (m *Meter) namespace(cause, name string) string {
	pair := [2]string{cause, name}
	if !m.pairs[pair] {
		if len(m.pairs) >= mostPairs {
			return others
		}
		m.pairs[pair] = true
	}
	return name
}
