// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kubeinquest/inquest/internal/watch"
)

// Watch exposes how a recorder does, as it is when that is asked for.
func (m *Meter) Watch(figures func() watch.Figures) {
	m.registry.MustRegister(&watching{figures})
}

// A watching is a collector of figures.
type watching struct{ figures func() watch.Figures }

// figure describes one of them, by the value of its label where it has one.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(watch.Figures) float64
	label []string
}

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("inquest_"+name, help, labels, nil)
}

var captures = described("captures_total", "Captures of evidence, by what came of them; alike is what was judged as its like, dropped what too much else came before.", "result")

var figures = []figure{
	{described("watch_in_step", "Whether all pods there are have been seen, and what becomes of them is heard."), prometheus.GaugeValue, func(f watch.Figures) float64 { return truth(f.InStep) }, nil},
	{described("watched_pods", "Pods that are watched."), prometheus.GaugeValue, func(f watch.Figures) float64 { return float64(f.Pods) }, nil},
	{described("capture_queue", "Things that wait for their capture, or to be looked at again."), prometheus.GaugeValue, func(f watch.Figures) float64 { return float64(f.Queue) }, nil},
	{described("capture_queue_due", "Of these, those whose time has come."), prometheus.GaugeValue, func(f watch.Figures) float64 { return float64(f.Due) }, nil},
	{described("capture_queue_wait_seconds", "How long the first of them has waited."), prometheus.GaugeValue, func(f watch.Figures) float64 { return f.Waiting.Seconds() }, nil},
	{described("news_queue", "Pods with news that are not in the history yet."), prometheus.GaugeValue, func(f watch.Figures) float64 { return float64(f.Fresh) }, nil},
	{described("verdict_lag_seconds", "Time from the news of the last death to its first verdict."), prometheus.GaugeValue, func(f watch.Figures) float64 { return f.Lag.Seconds() }, nil},
	{captures, prometheus.CounterValue, func(f watch.Figures) float64 { return float64(f.Captures) }, []string{"taken"}},
	{captures, prometheus.CounterValue, func(f watch.Figures) float64 { return float64(f.Failures) }, []string{"failed"}},
	{captures, prometheus.CounterValue, func(f watch.Figures) float64 { return float64(f.Alike) }, []string{"alike"}},
	{captures, prometheus.CounterValue, func(f watch.Figures) float64 { return float64(f.Dropped) }, []string{"dropped"}},
	{described("events_total", "Kubernetes Events that were kept."), prometheus.CounterValue, func(f watch.Figures) float64 { return float64(f.Events) }, nil},
	{described("watch_breaks_total", "Watches that broke off."), prometheus.CounterValue, func(f watch.Figures) float64 { return float64(f.Broken) }, nil},
	{described("history_refusals_total", "Times that the history did not take what happened."), prometheus.CounterValue, func(f watch.Figures) float64 { return float64(f.Unwritten) }, nil},
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe sends what there is.
func (w *watching) Describe(to chan<- *prometheus.Desc) {
	for i := range figures {
		to <- figures[i].desc
	}
}

// Collect sends what it is by now.
func (w *watching) Collect(to chan<- prometheus.Metric) {
	now := w.figures()
	for i := range figures {
		f := &figures[i]
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(now), f.label...)
	}
}
