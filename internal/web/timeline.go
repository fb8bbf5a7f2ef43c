// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A Timeline is what happened around the deaths of an incident, on one axis.
type Timeline struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Span   string    `json:"span"` // that was asked for; empty for all
	Lanes  []Lane    `json:"lanes"`
	Series []Series  `json:"series"` // how much was used; empty where nobody measured
	Gaps   []Band    `json:"gaps"`   // when something was not seen, as far as that is shown

	marks []Tick
}

// A Lane is one row of a timeline: moments, or the runs of one container.
type Lane struct {
	Name  string `json:"name"`
	Kind  string `json:"kind" jsonschema:"enum=change,enum=node,enum=probe,enum=event,enum=runs"`
	Marks []Mark `json:"marks"`
	Bars  []Bar  `json:"bars"`
}

// A Mark is a moment.
type Mark struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	Bad  bool      `json:"bad"` // a Warning, or of trouble

	X string `json:"-"` // where it is drawn, in percent
}

// A Bar is one run of a container.
type Bar struct {
	Run     int       `json:"run"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Exit    string    `json:"exit"` // empty while it runs
	Clean   bool      `json:"clean"`
	Text    string    `json:"text"`
	Death   int64     `json:"death,omitempty"` // that its end is, where that is on record
	X       string    `json:"-"`
	Width   string    `json:"-"`
	End     string    `json:"-"`
	Earlier bool      `json:"-"` // it began before what is shown
}

// A Band is a time in which something was not seen.
type Band struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"` // of what lasts, the end of what is shown
	Text  string    `json:"text"`
	X     string    `json:"-"`
	Width string    `json:"-"`
}

// A Tick is a time that the axis names.
type Tick struct{ X, Text, Anchor string }

// Ticks are the times that the axis names.
func (t *Timeline) Ticks() []Tick { return t.marks }

const (
	mostLanes  = 12  // of runs
	mostMarks  = 300 // in one lane
	mostBars   = 200
	mostBefore = 24 * time.Hour // of a run before the first death, unless more is asked for
)

// A story collects what a timeline shows.
type story struct {
	lanes  map[string]*Lane
	runs   map[evidence.Ref]map[int]Bar
	series map[string]*Series
	limits map[string]float64 // by the name of a series
	seen   map[string]bool
	gaps   []Gap
}

func newStory() *story {
	return &story{
		lanes: map[string]*Lane{}, runs: map[evidence.Ref]map[int]Bar{}, series: map[string]*Series{},
		limits: map[string]float64{}, seen: map[string]bool{},
	}
}

// lanes of moments, in the order in which they stand.
var laneNames = []struct{ kind, name string }{
	{"change", "Changes"}, {"node", "Node"}, {"probe", "Probes that failed"}, {"event", "Events"},
}

func (s *story) mark(kind string, at time.Time, text string, bad bool) {
	key := kind + at.String() + text
	if at.IsZero() || s.seen[key] {
		return
	}
	s.seen[key] = true
	if s.lanes[kind] == nil {
		s.lanes[kind] = &Lane{Kind: kind}
	}
	s.lanes[kind].Marks = append(s.lanes[kind].Marks, Mark{At: at, Text: text, Bad: bad})
}

func (s *story) run(of evidence.Ref, bar Bar) {
	container := of.InAttempt(evidence.NoAttempt)
	if s.runs[container] == nil {
		s.runs[container] = map[int]Bar{}
	}
	if old, known := s.runs[container][bar.Run]; !known || old.Exit == "" {
		s.runs[container][bar.Run] = bar
	}
}

// death adds what the history keeps of a death.
func (s *story) death(d *history.Death) {
	if d.Kind == history.Stuck || d.Finished.IsZero() {
		return
	}
	bar := barOf(d.Of.Attempt, cmp.Or(d.Started, d.Finished), d.Finished, d.ExitCode, d.Reason)
	bar.Death = d.ID
	s.run(d.Of, bar)
}

func barOf(run int, from, to time.Time, code int, reason string) Bar {
	exit := exitOf(code, reason)
	return Bar{
		Run: run, From: from, To: to, Exit: exit, Clean: code == 0,
		Text: fmt.Sprintf("run %d: %s to %s, %s", run+1, from.UTC().Format(time.TimeOnly), to.UTC().Format(time.TimeOnly), exit),
	}
}

// event adds a Kubernetes Event. One that counts stands where it was first and where it was last.
func (s *story) event(e *evidence.Event) {
	kind := "event"
	switch {
	case e.Reason == "Unhealthy" || e.Reason == "ProbeWarning" || e.Reason == "ProbeError":
		kind = "probe"
	case e.About.Kind == "Node":
		kind = "node"
	case changing[e.Reason]:
		kind = "change"
	}
	text := e.Fact().Text
	if e.Count > 1 && !e.First.IsZero() && e.First.Before(e.Last) {
		s.mark(kind, e.First, fmt.Sprintf("%s: %s (the first of %d)", e.Reason, e.Message, e.Count), e.Type == "Warning")
	}
	s.mark(kind, e.Last, text, e.Type == "Warning")
}

// snapshot adds what was captured with one death.
func (s *story) snapshot(snap *evidence.Snapshot, d *history.Death) {
	of, before := d.Of, earlier(snap, d)
	if pod, found := evidence.Get[*evidence.Pod](snap, of.Namespace, of.Name); found && of.Container == "" && !pod.CreationTimestamp.IsZero() {
		s.run(of, Bar{
			From: pod.CreationTimestamp.UTC(), To: snap.Taken,
			Text: fmt.Sprintf("made at %s, and stuck as of %s", clock(pod.CreationTimestamp.Time), clock(snap.Taken)),
		})
	}
	for _, a := range snap.Attempts(of.Object()) {
		if a.Of.Container == of.Container {
			a.Of.Attempt += before
		}
		switch {
		case a.Started.IsZero():
		case !a.Finished.IsZero():
			s.run(a.Of, barOf(a.Of.Attempt, a.Started, a.Finished, a.ExitCode, a.Reason))
		case !a.Ended():
			s.run(a.Of, Bar{
				Run: a.Of.Attempt, From: a.Started, To: snap.Taken, Clean: true,
				Text: fmt.Sprintf("run %d: since %s, running", a.Of.Attempt+1, a.Started.UTC().Format(time.TimeOnly)),
			})
		}
	}
	for _, e := range snap.EventsAbout(of.Object()) {
		s.event(&e)
	}
	owner := snap.TopOwner(of)
	for _, e := range snap.EventsAbout(owner) {
		s.event(&e)
	}
	s.rollouts(snap, owner)
	for _, f := range snap.FactsOn(of.Object(), func(*evidence.Fact) bool { return true }) {
		s.fact(&f)
	}
	s.measured(snap, of)
}

// rollouts adds when the template of a workload changed.
func (s *story) rollouts(snap *evidence.Snapshot, owner evidence.Ref) {
	for _, set := range evidence.List[*appsv1.ReplicaSet](snap, owner) {
		text := "rollout: ReplicaSet " + set.Name
		if revision := set.Annotations["deployment.kubernetes.io/revision"]; revision != "" {
			text = "rollout of revision " + revision + ": ReplicaSet " + set.Name
		}
		s.mark("change", set.CreationTimestamp.UTC(), text, false)
	}
	for _, revision := range evidence.List[*appsv1.ControllerRevision](snap, owner) {
		s.mark("change", revision.CreationTimestamp.UTC(), fmt.Sprintf("revision %d: %s", revision.Revision, revision.Name), false)
	}
}

// fact adds an observation of a node, the runtime or the kernel.
func (s *story) fact(f *evidence.Fact) {
	if f.At.IsZero() {
		return
	}
	if s.point(f) {
		return
	}
	if f.Source == evidence.FromMetric && !strings.HasPrefix(f.Name, "saturated.") && !strings.HasPrefix(f.Name, "eased.") && !strings.HasPrefix(f.Name, "began.") {
		return
	}
	kind := "event"
	if f.About.Kind == "Node" || f.About.Kind == "" {
		kind = "node"
	}
	s.mark(kind, f.At, f.Source.String()+": "+f.Text, f.Source == evidence.FromKernel)
}

// timeline arranges it; nil where nothing has a time.
func (s *story) timeline(span time.Duration, word string) *Timeline {
	t := &Timeline{Span: word, Lanes: []Lane{}, Series: []Series{}, Gaps: []Band{}}
	t.From, t.To = s.extent()
	if t.To.IsZero() {
		return nil
	}
	if span > 0 && t.To.Sub(t.From) > span {
		t.From = t.To.Add(-span)
	}
	margin := max(t.To.Sub(t.From)/40, time.Second)
	t.From, t.To = t.From.Add(-margin), t.To.Add(margin)
	for _, g := range s.gaps {
		t.gap(g)
	}
	for _, l := range laneNames {
		if lane := s.lanes[l.kind]; lane != nil {
			lane.Name = l.name
			t.lane(*lane)
		}
	}
	for _, of := range s.longest() {
		lane := Lane{Name: of.String(), Kind: "runs"}
		for _, bar := range s.runs[of] {
			lane.Bars = append(lane.Bars, bar)
		}
		t.lane(lane)
	}
	for _, series := range s.series {
		series.Limit = s.limits[series.Name]
		if shown := series.within(t.From, t.To); len(shown.Points) > 0 {
			t.Series = append(t.Series, shown)
		}
	}
	slices.SortFunc(t.Series, func(a, b Series) int { return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Name, b.Name)) })
	t.Series = t.Series[:min(len(t.Series), mostSeries)]
	t.tick()
	return t
}

// extent is the time that matters: from the first of what happened, but not from the beginning of a run that lasted for days, nor from
// all that was on the node before.
func (s *story) extent() (from, to time.Time) {
	see := func(at time.Time) {
		if !at.IsZero() && (from.IsZero() || at.Before(from)) {
			from = at
		}
		if at.After(to) {
			to = at
		}
	}
	var starts, nearby []time.Time
	for _, runs := range s.runs {
		for _, bar := range runs {
			see(bar.To)
			starts = append(starts, bar.From)
		}
	}
	for kind, lane := range s.lanes {
		for _, m := range lane.Marks {
			switch {
			case kind == "node" && len(s.runs) > 0:
				nearby = append(nearby, m.At)
			case to.IsZero() || m.At.After(to.Add(-mostBefore)):
				see(m.At)
			}
		}
	}
	span, first := max(to.Sub(from), time.Minute), from
	for _, at := range slices.Concat(since(starts, first.Add(-4*span)), since(nearby, first.Add(-span/2)), s.ends(first.Add(-max(4*span, around)), to.Add(span))) {
		see(at)
	}
	return from, to
}

// ends are those of the times in which something was not seen, as far as they are between two others.
func (s *story) ends(least, most time.Time) (all []time.Time) {
	for _, g := range s.gaps {
		if until := cmp.Or(g.To, most); g.From.Before(most) && until.After(least) {
			all = append(all, laterOf(g.From, least), earlierOf(until, most))
		}
	}
	return all
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlierOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// since are the times after another one.
func since(all []time.Time, least time.Time) []time.Time {
	return slices.DeleteFunc(all, func(at time.Time) bool { return !at.After(least) })
}

// longest are the containers with the most runs.
func (s *story) longest() []evidence.Ref {
	var all []evidence.Ref
	for of := range s.runs {
		all = append(all, of)
	}
	slices.SortFunc(all, func(a, b evidence.Ref) int { return cmp.Or(cmp.Compare(len(s.runs[b]), len(s.runs[a])), a.Compare(b)) })
	return all[:min(len(all), mostLanes)]
}

// lane adds the part of a lane that is shown, with where it is drawn.
func (t *Timeline) lane(l Lane) {
	marks, bars := []Mark{}, []Bar{}
	slices.SortFunc(l.Marks, func(a, b Mark) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Text, b.Text)) })
	for _, m := range l.Marks {
		if !m.At.Before(t.From) && !m.At.After(t.To) && len(marks) < mostMarks {
			m.X = t.x(m.At)
			marks = append(marks, m)
		}
	}
	slices.SortFunc(l.Bars, func(a, b Bar) int { return cmp.Compare(b.Run, a.Run) })
	for _, b := range l.Bars {
		if b.To.Before(t.From) || b.From.After(t.To) || len(bars) == mostBars {
			continue
		}
		b.Earlier = b.From.Before(t.From)
		b.X, b.End = t.x(b.From), t.x(b.To)
		b.Width = percent(max(t.part(b.To)-t.part(b.From), 0.2))
		bars = append(bars, b)
	}
	if l.Marks, l.Bars = marks, bars; len(marks)+len(bars) > 0 {
		slices.Reverse(l.Marks)
		t.Lanes = append(t.Lanes, l)
	}
}

// gap adds the part of a gap that is shown.
func (t *Timeline) gap(g Gap) {
	if !g.From.Before(t.To) || !g.To.IsZero() && g.To.Before(t.From) {
		return
	}
	b := Band{From: laterOf(g.From, t.From), To: earlierOf(cmp.Or(g.To, t.To), t.To), Text: g.Text()}
	b.X, b.Width = t.x(b.From), percent(max(t.part(b.To)-t.part(b.From), 0.4))
	t.Gaps = append(t.Gaps, b)
}

// part is where a time is, in percent of what is shown.
func (t *Timeline) part(at time.Time) float64 {
	return min(max(100*at.Sub(t.From).Seconds()/t.To.Sub(t.From).Seconds(), 0), 100)
}

func (t *Timeline) x(at time.Time) string { return percent(t.part(at)) }

func percent(f float64) string { return fmt.Sprintf("%.3f%%", f) }

// steps are the distances that the marks of an axis may have.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// tick names round times, at most five.
func (t *Timeline) tick() {
	long := t.To.Sub(t.From)
	at := slices.IndexFunc(steps, func(d time.Duration) bool { return long/d <= 5 })
	step := steps[len(steps)-1]
	if at >= 0 {
		step = steps[at]
	}
	layout := time.TimeOnly
	if step >= time.Hour {
		layout = "Jan 2 15:04"
	}
	for m := t.From.Truncate(step).Add(step); m.Before(t.To) && len(t.marks) < 12; m = m.Add(step) {
		anchor := "middle"
		if t.part(m) < 6 {
			anchor = "start"
		} else if t.part(m) > 94 {
			anchor = "end"
		}
		t.marks = append(t.marks, Tick{t.x(m), m.UTC().Format(layout), anchor})
	}
}

// A Moment is one of a timeline, for who reads it as a list.
type Moment struct {
	At    time.Time
	Lane  string
	Text  string
	Bad   bool
	Death int64 // that it is the end of
}

// List is all that a timeline shows in the order of time.
func (t *Timeline) List() []Moment {
	var all []Moment
	for _, g := range t.Gaps {
		all = append(all, Moment{g.From, "Not seen", g.Text, true, 0})
	}
	for _, lane := range t.Lanes {
		for _, m := range lane.Marks {
			all = append(all, Moment{m.At, lane.Name, m.Text, m.Bad, 0})
		}
		for _, b := range lane.Bars {
			if b.Exit == "" { // it runs, or is stuck
				all = append(all, Moment{b.From, lane.Name, b.Text, !b.Clean, b.Death})
				continue
			}
			all = append(all, Moment{b.From, lane.Name, fmt.Sprintf("run %d began", b.Run+1), false, 0},
				Moment{b.To, lane.Name, fmt.Sprintf("run %d ended: %s", b.Run+1, b.Exit), !b.Clean, b.Death})
		}
	}
	slices.SortStableFunc(all, func(a, b Moment) int { return a.At.Compare(b.At) })
	return all
}
