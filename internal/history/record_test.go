// SPDX-License-Identifier: Apache-2.0

package history

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestRecord(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		d := death("web-0", 3, 1)
		d.Started = noon
		d.Verdict.Bundle = map[string][]byte{"meta.yaml": []byte("a: b\n"), "logs/shop/web-0/app/3.log": []byte("panic\n"), "empty": {}}
		must(t, s.Record(t.Context(), d))
		must(t, s.Record(t.Context(), d, d))
		got := deaths(t, s, Filter{})
		want(t, "deaths", len(got), 1)
		bundle, err := s.Bundle(t.Context(), got[0].ID, nil)
		must(t, err)
		if diff := cmp.Diff(d.Verdict.Bundle, bundle); diff != "" {
			t.Error(diff)
		}
		report, err := s.Report(t.Context(), got[0].ID, nil)
		must(t, err)
		want(t, "report", string(report), string(d.Verdict.Report))

		all := incidents(t, s, Filter{})
		want(t, "incidents", len(all), 1)
		expected := d
		v := *d.Verdict
		v.Report, v.Bundle = nil, nil
		expected.Verdict, expected.ID, expected.Incident, expected.HasBundle = &v, got[0].ID, all[0].ID, true
		if diff := cmp.Diff(expected, got[0]); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(Incident{
			ID: all[0].ID, Cluster: cluster, Rule: "MEM001", Thing: d.Workload, First: d.Finished, Last: d.Finished, Deaths: 1, Pods: 1,
			Confidence: "certain", Title: "container app was killed at its memory limit", Namespaces: []string{"shop"}, Nodes: []string{"n1"},
			Images: []string{d.Image}, Workloads: []string{"Deployment/web"},
		}, all[0]); diff != "" {
			t.Error(diff)
		}
	})
}

// TestKnownBetter: what is known better replaces what is known less well, and never the other way round.
func TestKnownBetter(t *testing.T) {
	thing := evidence.RefTo("Node", "", "n1")
	missing := death("web-0", 1, 1)
	missing.Verdict, missing.Missing = nil, "the watch was interrupted"
	silent := death("web-0", 1, 1)
	silent.Verdict = nil
	first, second := death("web-0", 1, 1).of("A", thing, false), death("web-0", 1, 1).of("B", thing, false)
	settledA, settledB := death("web-0", 1, 1).of("C", thing, true), death("web-0", 1, 1).of("D", thing, true)
	for _, test := range []struct {
		name string
		told []Death
		rule string // of the verdict that stays; "-" for none
		lost string
	}{
		{"counted", []Death{missing}, "-", "the watch was interrupted"},
		{"counted, then found", []Death{missing, silent}, "-", ""},
		{"found, then counted", []Death{first, missing}, "A", ""},
		{"provisional twice", []Death{first, second}, "B", ""},
		{"settled", []Death{first, settledA}, "C", ""},
		{"settled, then provisional", []Death{settledA, first}, "C", ""},
		{"settled twice", []Death{settledA, settledB}, "C", ""},
		{"all of them", []Death{missing, silent, first, settledA, second, missing}, "C", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			everywhere(t, Options{}, func(t *testing.T, s *Store) {
				for _, d := range test.told {
					must(t, s.Record(t.Context(), d))
				}
				got := deaths(t, s, Filter{})
				want(t, "deaths", len(got), 1)
				rule := "-"
				if got[0].Verdict != nil {
					rule = got[0].Verdict.Rule
				}
				want(t, "rule", rule, test.rule)
				want(t, "missing", got[0].Missing, test.lost)
				var of []string
				for _, in := range incidents(t, s, Filter{}) {
					of = append(of, in.Rule)
				}
				want(t, "incidents", strings.Join(of, " "), strings.Trim(test.rule, "-"))
			})
		})
	}
}

// TestStuck: a stuck pod may be stuck for another reason later.
func TestStuck(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		d := death("web-0", 0, 1)
		d.Kind, d.Finished = Stuck, time.Time{}
		must(t, s.Record(t.Context(), d.of("SCH001", evidence.Cluster, true)))
		must(t, s.Record(t.Context(), d.of("IMG001", evidence.Cluster, true)))
		got := deaths(t, s, Filter{})
		want(t, "deaths", len(got), 1)
		want(t, "rule", got[0].Verdict.Rule, "IMG001")
		want(t, "attempt", got[0].Of.Attempt, evidence.NoAttempt)
		n, err := s.Count(t.Context(), Filter{})
		must(t, err)
		want(t, "runs", n, Count{})
	})
}

func TestHostile(t *testing.T) {
	bad := "\x00\xff\x1b[31m<script>'; DROP TABLE deaths; --" + strings.Repeat("\u00e9", 10_000)
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		d := death("web-0", 1, 1)
		d.Of.Name, d.Of.Container, d.Node, d.Image, d.Reason, d.PodUID = bad, bad, bad, bad, bad, bad
		d.Workload.Name = bad
		d.Verdict.Message, d.Verdict.Rule, d.Verdict.Confidence, d.Verdict.Version = bad, bad, bad, bad
		d.Verdict.Thing.Name = bad
		d.Verdict.Report = []byte(bad)
		d.Verdict.Bundle = map[string][]byte{"../escape": nil, "/abs": nil, bad: nil, "logs/a": []byte(bad), "": nil, ".": nil}
		must(t, s.Record(t.Context(), d))
		must(t, s.Record(t.Context(), d))
		must(t, s.Events(t.Context(), Event{Cluster: bad, ID: bad, Event: evidence.Event{About: d.Of, UID: bad, Reason: bad, Message: bad}}))
		must(t, s.Gaps(t.Context(), Gap{Cluster: bad, What: bad, From: noon}))
		got := deaths(t, s, Filter{Text: bad[:40]})
		want(t, "deaths", len(got), 1)
		files, err := s.Bundle(t.Context(), got[0].ID, nil)
		must(t, err)
		want(t, "files", len(files), 1)
		want(t, "log", string(files["logs/a"]), bad)
		for _, f := range []Filter{{Text: "script"}, {Text: bad}, {Rule: bad}, {Node: bad}, {Image: bad}, {Text: `"\'%_* OR`}, {Cluster: bad}, {Namespaces: []string{bad}}} {
			_, err := s.Incidents(t.Context(), f)
			must(t, err)
			_, err = s.Deaths(t.Context(), f)
			must(t, err)
		}
		want(t, "found by text", len(incidents(t, s, Filter{Text: "script"})), 1)
		want(t, "found by node", len(incidents(t, s, Filter{Node: bad})), 1)
	})
}

func TestLast(t *testing.T) {
	everywhere(t, Options{}, func(t *testing.T, s *Store) {
		a, b := death("web-0", 3, 1), death("web-1", 0, 1)
		older := death("web-0", 2, 0)
		b.Verdict.Settled = false
		must(t, s.Record(t.Context(), a, older, b))
		must(t, s.Mark(t.Context(), cluster, Last{PodUID: "uid-new", Of: evidence.RefTo("Pod", "shop", "new").InContainer("app").InAttempt(7)}))
		last, err := s.Last(t.Context(), cluster)
		must(t, err)
		got := map[string]int{}
		for _, l := range last {
			got[l.PodUID] = l.Of.Attempt
			want(t, l.PodUID+" unsettled", l.Unsettled, l.PodUID == "uid-web-1")
		}
		if diff := cmp.Diff(map[string]int{"uid-web-0": 3, "uid-web-1": 0, "uid-new": 7}, got); diff != "" {
			t.Error(diff)
		}
		must(t, s.Forget(t.Context(), cluster, "uid-web-0", "uid-new"))
		last, err = s.Last(t.Context(), cluster)
		must(t, err)
		want(t, "remembered", len(last), 1)
		pods := 0
		must(t, s.reads.QueryRowContext(t.Context(), `SELECT count(*) FROM pods`).Scan(&pods))
		want(t, "pods with deaths", pods, 2)
		want(t, "deaths", len(deaths(t, s, Filter{})), 3)
		other, err := s.Last(t.Context(), "another")
		must(t, err)
		want(t, "of another cluster", len(other), 0)
	})
}
