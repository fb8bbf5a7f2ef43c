// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
	"github.com/kubeinquest/inquest/internal/watch"
)

// TestHistory: what was recorded is listed, shown, exported and judged again, and what was exported gives the same cause.
func TestHistory(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "h.db")
	s, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := watch.Recorder{Rules: rules.All(), Store: s, Cluster: "c", Version: "v1", Log: slog.New(slog.DiscardHandler), Now: time.Now}
	source, err := collect.Open("../../examples/liveness-kill", collect.Reading{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Replay(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	run := func(status int, args ...string) (string, string) {
		t.Helper()
		var out, notes bytes.Buffer
		if got := Main(t.Context(), args, strings.NewReader(""), &out, &notes); got != status {
			t.Fatalf("%v: exit status %d: %s", args, got, notes.String())
		}
		return out.String(), notes.String()
	}
	listed, _ := run(0, "history", "list", "--db", file, "-o", "json")
	var all []history.Incident
	if err := json.Unmarshal([]byte(listed), &all); err != nil || len(all) == 0 {
		t.Fatalf("%v: %s", err, listed)
	}
	in := all[0]
	if out, _ := run(0, "history", "list", "--db", file); !strings.Contains(out, in.ID) || !strings.Contains(out, in.Rule) {
		t.Errorf("the list lacks %s %s: %s", in.ID, in.Rule, out)
	}
	if out, _ := run(0, "history", "list", "--db", file, "-n", "elsewhere"); strings.Contains(out, in.ID) {
		t.Errorf("listed in another namespace: %s", out)
	}
	if out, _ := run(0, "history", "show", in.ID[:6], "--db", file); !strings.Contains(out, "kept") {
		t.Errorf("no death with evidence: %s", out)
	}
	bundle := filepath.Join(folder, "case.zip")
	run(0, "history", "export", in.ID[:6], "--db", file, "-o", bundle)
	if out, _ := run(0, "why", "--from", bundle); !strings.Contains(out, in.Rule) {
		t.Errorf("the bundle does not tell of %s: %s", in.Rule, out)
	}
	if out, _ := run(0, "history", "rerun", "--db", file); !strings.Contains(out, " 0 changed, 0 could not be judged") {
		t.Errorf("the same rules judge otherwise: %s", out)
	}
	if _, notes := run(1, "history", "show", "zzz", "--db", file); !strings.Contains(notes, `no incident "zzz"`) {
		t.Error(notes)
	}
	if _, notes := run(1, "history", "list", "--db", filepath.Join(folder, "none.db")); !strings.Contains(notes, "none.db") {
		t.Error(notes)
	}
}

// TestHistoryMigrate: what is on record is there after one version back and forth.
func TestHistoryMigrate(t *testing.T) {
	file := historyOf(t, []string{"shop"})
	for _, step := range []struct {
		db, to string
		status int
		says   string
	}{
		{file + ".none", "1", 1, "no such file"}, {file, "99", 1, "version 99 is unknown"},
		{file, fmt.Sprint(history.Version - 1), 0, "are of version"}, {file, fmt.Sprint(history.Version), 0, "are of version"},
	} {
		var notes bytes.Buffer
		if got := Main(t.Context(), []string{"history", "migrate", "--db", step.db, "--to", step.to}, strings.NewReader(""), &notes, &notes); got != step.status || !strings.Contains(notes.String(), step.says) {
			t.Errorf("to %s: exit status %d: %s", step.to, got, notes.String())
		}
	}
	var out bytes.Buffer
	if got := Main(t.Context(), []string{"history", "list", "--db", file}, strings.NewReader(""), &out, &out); got != 0 || !strings.Contains(out.String(), "shop") {
		t.Errorf("exit status %d: %s", got, out.String())
	}
}

// historyOf fills a file with a death for each of some words, which are all that is said of it.
func historyOf(t *testing.T, all []string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "h.db")
	s, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, words := range all {
		pod := evidence.RefTo("Pod", words, words)
		d := history.Death{
			Cluster: "c", PodUID: fmt.Sprint(i), Of: pod.InContainer("app").InAttempt(0), Workload: pod, Node: words, Image: words, Finished: time.Now(), Reason: words,
			Verdict: &history.Verdict{Rule: "EXT001", Confidence: words, Message: words, Thing: pod, Settled: true, Report: []byte("{}")},
		}
		if err := s.Record(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestHistoryIsInert: words of attackers do nothing in a terminal, and nothing in a spreadsheet.
func TestHistoryIsInert(t *testing.T) {
	hostile := []string{"\x1b[31mred", "a\u202eb", "a\rb", "x\x00y", "\xff\xfe", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "two\nlines", "x;=1"}
	file := historyOf(t, hostile)
	run := func(args ...string) string {
		var out, notes bytes.Buffer
		if got := Main(t.Context(), append([]string{"history"}, append(args, "--db", file)...), strings.NewReader(""), &out, &notes); got != 0 {
			t.Fatalf("%v: exit status %d: %s", args, got, notes.String())
		}
		if n := strings.Count(out.String(), "\n"); n < 2 {
			t.Errorf("%v: %d lines", args, n)
		}
		return out.String()
	}
	var all []history.Incident
	if err := json.Unmarshal([]byte(run("list", "-o", "json")), &all); err != nil || len(all) < len(hostile)-1 {
		t.Fatalf("%d incidents: %v", len(all), err)
	}
	asked := [][]string{{"list"}}
	for _, in := range all {
		asked = append(asked, []string{"show", in.ID})
	}
	for _, args := range asked {
		if text := strings.ReplaceAll(run(args...), "\n", ""); text != report.Escape(text) {
			t.Errorf("%v: a terminal is told %q", args, text)
		}
		rows, err := csv.NewReader(strings.NewReader(run(append(args, "-o", "csv")...))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, cell := range slices.Concat(rows...) {
			if cell != report.Escape(cell) || strings.IndexAny(cell, "=+-@") == 0 || strings.Contains(cell, ";=") {
				t.Errorf("%v: a spreadsheet is told %q", args, cell)
			}
		}
	}
}
