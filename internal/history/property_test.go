// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A model is what the history should hold, in the plainest way: all deaths, and the incidents as lists of them.
type model struct {
	deaths    map[string]*Death
	incidents []*modelIncident
}

type modelIncident struct {
	key         string
	first, last int64
	state       State
	reopened    int
	deaths      []string
}

func modelKey(d *Death) string { return d.PodUID + "#" + fmt.Sprint(d.Of.Attempt, d.Kind) }

func (m *model) record(d Death, o Options) {
	key := modelKey(&d)
	old := m.deaths[key]
	if old != nil && (d.rank() < old.rank() || d.rank() == old.rank() && (d.rank() <= silent || d.rank() == settled && d.Kind == Died)) {
		return
	}
	m.deaths[key] = &d
	for _, in := range m.incidents {
		in.deaths = slices.DeleteFunc(in.deaths, func(k string) bool { return k == key })
	}
	if d.Verdict != nil {
		in := m.beside(&d, o)
		if in == nil {
			in = m.nearest(&d, o)
		}
		in.add(&d)
		m.gather(&d, in, o)
	}
	m.incidents = slices.DeleteFunc(m.incidents, func(in *modelIncident) bool { return len(in.deaths) == 0 })
	for _, in := range m.incidents {
		in.first, in.last = m.deaths[in.deaths[0]].at(), m.deaths[in.deaths[0]].at()
		for _, k := range in.deaths {
			in.first, in.last = min(in.first, m.deaths[k].at()), max(in.last, m.deaths[k].at())
		}
	}
}

// add has an incident grow by a death.
func (in *modelIncident) add(d *Death) {
	if d.at() > in.last {
		if in.state == StateClosed {
			in.reopened++
		}
		in.state = StateOpen
	}
	in.first, in.last = min(in.first, d.at()), max(in.last, d.at())
	in.deaths = append(in.deaths, modelKey(d))
}

func (in *modelIncident) goesOn(at int64, o Options) bool {
	return max(in.first-at, at-in.last) <= o.Close.Microseconds()
}

// runs returns the ends of runs of the container of a death, by attempt, that evidence explains, or that are guessed at.
func (m *model) runs(of *Death, proven bool) []*Death {
	var all []*Death
	for _, d := range m.deaths {
		if d.PodUID != of.PodUID || d.Kind != Died || d.Verdict == nil {
			continue
		}
		settled := d.Verdict.Settled && d.Missing == ""
		if proven && settled || !proven && !settled && d.Verdict.Confidence != "certain" {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b *Death) int { return cmp.Compare(a.Of.Attempt, b.Of.Attempt) })
	return all
}

func (m *model) incidentOf(d *Death) *modelIncident {
	i := slices.IndexFunc(m.incidents, func(in *modelIncident) bool { return slices.Contains(in.deaths, modelKey(d)) })
	if i < 0 {
		return nil
	}
	return m.incidents[i]
}

// beside returns where the last proven run of its container is, for a death that is guessed at.
func (m *model) beside(d *Death, o Options) *modelIncident {
	proven := m.runs(d, true)
	if !slices.Contains(m.runs(d, false), d) || len(proven) == 0 || d.Verdict.Thing.Namespace == "" {
		return nil
	}
	if in := m.incidentOf(proven[len(proven)-1]); in.goesOn(d.at(), o) {
		return in
	}
	return nil
}

// gather brings what is guessed at to a death that is proven.
func (m *model) gather(d *Death, to *modelIncident, o Options) {
	proven := m.runs(d, true)
	if !slices.Contains(proven, d) {
		return
	}
	for _, l := range m.runs(d, false) {
		in := m.incidentOf(l)
		rooted := slices.ContainsFunc(proven, func(p *Death) bool { return slices.Contains(in.deaths, modelKey(p)) })
		if in != to && !rooted && to.goesOn(l.at(), o) {
			in.deaths = slices.DeleteFunc(in.deaths, func(k string) bool { return k == modelKey(l) })
			to.add(l)
		}
	}
}

func (m *model) nearest(d *Death, o Options) *modelIncident {
	key, at := nameOf(d.Cluster, d.Verdict.Rule, d.Verdict.Thing), d.at()
	var near []*modelIncident
	for _, in := range m.incidents {
		if in.key == key && max(in.first-at, at-in.last) <= (o.Close+o.Reopen).Microseconds() {
			near = append(near, in)
		}
	}
	slices.SortStableFunc(near, func(a, b *modelIncident) int {
		return cmp.Or(cmp.Compare(max(a.first-at, at-a.last, 0), max(b.first-at, at-b.last, 0)), cmp.Compare(b.last, a.last))
	})
	if len(near) > 0 {
		return near[0]
	}
	in := &modelIncident{key: key, first: at, last: at}
	m.incidents = append(m.incidents, in)
	return in
}

// giveUp settles a death as it is known.
func (m *model) giveUp(of *Death) {
	if d := m.deaths[modelKey(of)]; d != nil && d.rank() == provisional {
		v := *d.Verdict
		v.Settled = true
		d.Verdict, d.Missing = &v, "gone"
	}
}

func (m *model) sweep(now time.Time, o Options) {
	for _, in := range m.incidents {
		switch {
		case in.last < micros(now.Add(-o.Close)):
			in.state = StateClosed
		case in.state == StateOpen && in.last < micros(now.Add(-o.Window)):
			in.state = StateQuiet
		}
	}
}

// lines describes the incidents, with what each namespace has of them.
func (m *model) lines() []string {
	var all []string
	for _, in := range m.incidents {
		pods, namespaces, least := map[string]bool{}, map[string]bool{}, 0
		for _, k := range in.deaths {
			d := m.deaths[k]
			pods[d.PodUID], namespaces[d.Of.Namespace] = true, true
			least = max(least, sureness(d.Verdict.Confidence))
		}
		var names []string
		for n := range namespaces {
			names = append(names, n)
		}
		slices.Sort(names)
		all = append(all, fmt.Sprint(in.key, " ", in.first, " ", in.last, " ", in.state, " ", in.reopened, " ", len(in.deaths), " ", len(pods), " ", sure[least], " ", names))
	}
	slices.Sort(all)
	return all
}

func nameOf(cluster, rule string, thing evidence.Ref) string {
	return cluster + " " + rule + " " + thing.Namespace + " " + thing.String()
}

func linesOf(all []Incident) []string {
	var lines []string
	for _, in := range all {
		lines = append(lines, fmt.Sprint(nameOf(in.Cluster, in.Rule, in.Thing), " ", micros(in.First), " ", micros(in.Last), " ", in.State, " ",
			in.Reopened, " ", in.Deaths, " ", in.Pods, " ", in.Confidence, " ", in.Namespaces))
	}
	slices.Sort(lines)
	return lines
}

// drawDeath draws one of few deaths, so that the same ones come again with other verdicts.
func drawDeath(t *rapid.T) Death {
	pod := rapid.IntRange(0, 4).Draw(t, "pod")
	d := death(fmt.Sprint("web-", pod), rapid.IntRange(0, 3).Draw(t, "attempt"), 0).in([]string{"shop", "bank"}[pod%2])
	d.Kind = Kind(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "kind"))
	if d.Kind == Stuck {
		d.Of.Attempt = evidence.NoAttempt
	}
	d.Finished = noon.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hour")) * time.Hour)
	switch rapid.IntRange(0, 5).Draw(t, "known") {
	case 0:
		d.Verdict, d.Missing = nil, "gone"
	case 1:
		d.Verdict = nil
	default:
		thing := evidence.RefTo("Deployment", d.Of.Namespace, "web")
		if rapid.Bool().Draw(t, "node") {
			thing = evidence.RefTo("Node", "", "n1")
		}
		d = d.of(rapid.SampledFrom([]string{"A", "B"}).Draw(t, "rule"), thing, rapid.Bool().Draw(t, "settled"))
		d.Verdict.Confidence = rapid.SampledFrom(sure).Draw(t, "confidence")
	}
	return d
}

// TestModel compares histories with the model, after so many random stories as the race detector leaves time for; with the
// tag e2e, and with -rapid.checks, after more.
func TestModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks").Value; checks.String() == flag.Lookup("rapid.checks").DefValue {
		must(t, checks.Set(usualChecks))
	}
	for name, url := range backends() {
		if name == "file" {
			continue // is as memory is
		}
		t.Run(name, func(t *testing.T) {
			if name == "memory" {
				rapid.Check(t, func(r *rapid.T) { compare(t, r, "memory:") })
				return
			}
			compare(t, nil, url(t))
		})
	}
}

// compare runs random steps on the model and on a history, an example of them where there is no r.
func compare(t *testing.T, r *rapid.T, url string) {
	given := Options{Now: func() time.Time { return noon }}
	o := given.withDefaults()
	s, err := Open(t.Context(), url, o)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	steps := func(r *rapid.T) {
		m := &model{deaths: map[string]*Death{}}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			if rapid.IntRange(0, 4).Draw(r, "sweep") == 0 {
				now := noon.Add(time.Duration(rapid.IntRange(0, 70).Draw(r, "now")) * time.Hour)
				must(t, s.Sweep(t.Context(), now))
				m.sweep(now, o)
				continue
			}
			d := drawDeath(r)
			if rapid.IntRange(0, 7).Draw(r, "give up") == 0 {
				must(t, s.GiveUp(t.Context(), "gone", d))
				m.giveUp(&d)
				continue
			}
			must(t, s.Record(t.Context(), d))
			m.record(d, o)
		}
		m.agree(t, r, s)
	}
	if r != nil {
		steps(r)
		return
	}
	rapid.Custom(func(r *rapid.T) int { steps(r); return 0 }).Example(7)
}

func (m *model) agree(t *testing.T, r *rapid.T, s *Store) {
	page, err := s.Incidents(t.Context(), Filter{Limit: mostLimit})
	must(t, err)
	if got, expected := strings.Join(linesOf(page.Items), "\n"), strings.Join(m.lines(), "\n"); got != expected {
		r.Fatalf("incidents: got\n%s\nwant\n%s", got, expected)
	}
	var expected Count
	for _, d := range m.deaths {
		switch {
		case d.Kind == Stuck:
		case d.rank() == counted:
			expected.Missing++
		default:
			expected.Recorded++
		}
	}
	got, err := s.Count(t.Context(), Filter{})
	must(t, err)
	if got != expected {
		r.Fatalf("runs: got %v, want %v", got, expected)
	}
}

// TestLikeness: what is compressed against something else comes back, also when that came later or is gone.
func TestLikeness(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "h.db"), Options{})
	manifest := strings.Repeat("a line of a manifest that is much like others\n", 40)
	for i := range 30 {
		d := death(fmt.Sprint("web-", i), 0, i-60*24*10*(i%2))
		d.Verdict.Bundle = map[string][]byte{fmt.Sprintf("objects/shop/Pod/web-%d.yaml", i): fmt.Append(nil, manifest, i)}
		must(t, s.Record(t.Context(), d))
	}
	var full, like int
	must(t, s.reads.QueryRow(`SELECT SUM(CASE WHEN base IS NULL THEN 1 ELSE 0 END), SUM(CASE WHEN base IS NULL THEN 0 ELSE 1 END) FROM blobs`).Scan(&full, &like))
	want(t, "full ones", full, 1)
	want(t, "those like it", like, 29)
	must(t, s.Sweep(t.Context(), noon.Add(time.Hour)))
	_, err := s.Retain(t.Context(), noon, Retention{Age: 24 * time.Hour})
	must(t, err)
	all := deaths(t, s, Filter{})
	want(t, "deaths", len(all), 15)
	for _, d := range all {
		files, err := s.Bundle(t.Context(), d.ID, nil)
		must(t, err)
		want(t, d.Of.Name, string(files["objects/shop/Pod/"+d.Of.Name+".yaml"]), manifest+strings.TrimPrefix(d.Of.Name, "web-"))
	}
}
