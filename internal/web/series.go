// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A Series is what was measured of one thing.
type Series struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit" jsonschema:"enum=bytes,enum=processors,enum=percent"`
	Limit  float64 `json:"limit,omitempty"` // that it may not pass
	Points []Point `json:"points"`          // in order of time
}

// A Point is one measurement.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

const (
	mostSeries = 8
	mostPoints = 2000
)

// units are those of the facts that are drawn, by their names.
var units = map[string]string{
	"usage.memory": "bytes", "memory.peak": "bytes", "usage.cpu": "processors",
	"psi.cpu.some": "percent", "psi.memory.full": "percent", "psi.io.full": "percent",
}

// courses are facts of many measurements, what they are drawn as, and how large their unit is.
var courses = map[string]struct {
	name  string
	scale float64
}{"course.memory": {"usage.memory", 1024}, "course.cpu": {"usage.cpu", 0.001}}

// point adds a measurement; it is false where the fact is none that is drawn.
func (s *story) point(f *evidence.Fact) bool {
	name, steps := f.Name, []record.Step{{At: f.At, Value: f.Value}}
	if c, many := courses[f.Name]; many {
		name, steps = c.name, record.ReadCourse(f.At, f.Text)
		for i := range steps {
			steps[i].Value *= c.scale
		}
	}
	unit, drawn := units[name]
	if !drawn || f.Kind != evidence.Usage {
		return false
	}
	about := f.About
	about.Attempt = evidence.NoAttempt
	for _, step := range steps {
		s.add(about.String()+" "+strings.TrimPrefix(name, "usage."), unit, step.At, step.Value)
	}
	return true
}

func (s *story) add(name, unit string, at time.Time, value float64) {
	if at.IsZero() {
		return
	}
	if s.series[name] == nil {
		s.series[name] = &Series{Name: name, Unit: unit}
	}
	s.series[name].Points = append(s.series[name].Points, Point{at, value})
}

// measured adds what metrics-server told of a pod, and what its containers may use.
func (s *story) measured(snap *evidence.Snapshot, of evidence.Ref) {
	if pod, found := evidence.Get[*evidence.Pod](snap, of.Namespace, of.Name); found {
		for i := range pod.Spec.Containers {
			c := &pod.Spec.Containers[i]
			about := of.Object().InContainer(c.Name).String()
			s.limits[about+" memory"] = c.Resources.Limits.Memory().AsApproximateFloat64()
			s.limits[about+" memory.peak"] = s.limits[about+" memory"]
			s.limits[about+" cpu"] = c.Resources.Limits.Cpu().AsApproximateFloat64()
		}
	}
	m, found := evidence.Get[*metricsv1.PodMetrics](snap, of.Namespace, of.Name)
	if !found {
		return
	}
	for _, c := range m.Containers {
		about := of.Object().InContainer(c.Name).String()
		s.add(about+" memory", "bytes", m.Timestamp.UTC(), c.Usage.Memory().AsApproximateFloat64())
		s.add(about+" cpu", "processors", m.Timestamp.UTC(), c.Usage.Cpu().AsApproximateFloat64())
	}
}

// within is the part of a series that is shown, in order and each moment once.
func (s *Series) within(from, to time.Time) Series {
	shown := Series{Name: s.Name, Unit: s.Unit, Limit: s.Limit, Points: []Point{}}
	slices.SortStableFunc(s.Points, func(a, b Point) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Value, b.Value)) })
	for _, p := range s.Points {
		n := len(shown.Points)
		switch {
		case p.At.Before(from) || p.At.After(to):
		case n > 0 && shown.Points[n-1].At.Equal(p.At):
			shown.Points[n-1] = p
		case n < mostPoints:
			shown.Points = append(shown.Points, p)
		}
	}
	return shown
}

// seriesOf is what the page draws, for the attribute of an element.
func seriesOf(t *Timeline) (string, error) {
	type curve struct {
		Name, Unit string
		Chart      string // in which it is drawn: what a pod uses would be a line at the bottom beside what its node does
		Limit      float64
		Points     [][2]float64 // seconds since the epoch, and the value
	}
	plot := struct {
		From, To float64
		Curves   []curve
		Gaps     [][2]float64 // when something was not seen
	}{seconds(t.From), seconds(t.To), nil, nil}
	for _, g := range t.Gaps {
		plot.Gaps = append(plot.Gaps, [2]float64{seconds(g.From), seconds(g.To)})
	}
	for _, s := range t.Series {
		c := curve{s.Name, s.Unit, s.Unit, s.Limit, nil}
		if strings.HasPrefix(s.Name, "node/") {
			c.Chart = s.Unit + " of the node"
		}
		for _, p := range s.Points {
			c.Points = append(c.Points, [2]float64{seconds(p.At), p.Value})
		}
		plot.Curves = append(plot.Curves, c)
	}
	data, err := json.Marshal(plot)
	return string(data), err
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
