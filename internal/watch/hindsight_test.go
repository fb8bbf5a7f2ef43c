// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
)

// recorded returns the evidence of a file of testdata, the pod that it is of, and the ends of that which its status or an agent tells of.
func recorded(t *testing.T, file string) (*evidence.Snapshot, subject, []unsettled) {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := txtar.FS(archive)
	if err != nil {
		t.Fatal(err)
	}
	s, err := collect.Bundle{FS: fsys}.Snapshot(t.Context(), evidence.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	at := subject{s.Subject, s.Object(s.Subject).GetUID()}
	var ended []unsettled
	for _, a := range s.Attempts(s.Subject) {
		ended = append(ended, unsettled{run: a, Death: history.Death{
			Cluster: "c", PodUID: string(at.uid), Of: a.Of, Workload: evidence.RefTo("Deployment", s.Subject.Namespace, "api"),
			Started: a.Started, Finished: a.Finished.Truncate(time.Second), Seen: s.Taken, ExitCode: a.ExitCode, Reason: a.Reason,
		}})
	}
	return s, at, ended
}

// TestBothAtOnce holds that two ends that are captured at once both follow from what their container could not reach, and that the first is not
// why it could not.
func TestBothAtOnce(t *testing.T) {
	s, _, ended := recorded(t, "both-at-once.txtar")
	if len(ended) != 2 {
		t.Fatalf("%d runs, expected 2", len(ended))
	}
	s = withRuns(s, ended)
	told := telling{s: s, report: diagnosis.Examine(s, rules.All())}
	for _, d := range ended {
		if a := told.answerAlike(d.run.Of, d.Workload); a.rule != "DEP006" {
			t.Errorf("run %d: %s: %s", d.run.Of.Attempt, a.rule, a.message)
		}
	}
	if all := told.report.Causes; len(all) != 1 || len(all[0].Leads) != 2 {
		t.Errorf("%d causes, the first with %d findings below it: expected one with both ends", len(all), len(all[0].Leads))
	}
}

// TestHindsight holds that an end of which less was known than of the next that is like it is put down to the same, and that what was known
// for certain, or did not end like it, stands.
func TestHindsight(t *testing.T) {
	for name, tt := range map[string]struct {
		rule, confidence string
		code             int
		earlier          time.Duration // than the run that is known by that number
		want             string
	}{
		"a guess":                  {rule: "DEP011", confidence: "possible", code: 1, want: "DEP002"},
		"nothing":                  {code: 1, want: "DEP002"},
		"what follows from it":     {rule: "EXT001", confidence: "certain", code: 1, want: "DEP002"},
		"what does not":            {rule: "CFG001", confidence: "certain", code: 1, want: "CFG001"},
		"another end":              {rule: "DEP011", confidence: "possible", code: 2, want: "DEP011"},
		"a run that is not known":  {rule: "DEP011", confidence: "possible", code: 1, want: "DEP011", earlier: time.Minute},
		"the same, and not to say": {rule: "DEP002", confidence: "possible", code: 1, want: "DEP002"},
	} {
		t.Run(name, func(t *testing.T) {
			s, at, ended := recorded(t, "late-in-a-loop.txtar")
			r := newRecorder(t)
			r.Now = func() time.Time { return s.Taken }
			first := ended[0].Death
			first.Finished, first.ExitCode = first.Finished.Add(-tt.earlier), tt.code
			first.Verdict = &history.Verdict{Rule: tt.rule, Confidence: tt.confidence, Thing: first.Workload, Settled: true}
			if err := r.Store.Record(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if err := r.judge(t.Context(), at, &pending{deaths: ended[1:]}, s); err != nil {
				t.Fatal(err)
			}
			expectRules(t, r, tt.want, "DEP002")
		})
	}
}

// expectRules checks what the runs of a container on record are put down to, by their numbers.
func expectRules(t *testing.T, r *Recorder, want ...string) {
	t.Helper()
	page, err := r.Store.Deaths(t.Context(), history.Filter{Cluster: "c"})
	if err != nil || len(page.Items) != len(want) {
		t.Fatalf("%d deaths, %v: expected %d", len(page.Items), err, len(want))
	}
	for _, d := range page.Items {
		if d.Verdict.Rule != want[d.Of.Attempt] || !d.Verdict.Settled {
			t.Errorf("run %d: %s: %s", d.Of.Attempt, d.Verdict.Rule, d.Verdict.Message)
		}
	}
}
