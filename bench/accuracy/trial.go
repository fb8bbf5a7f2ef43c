// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
)

// A trial is one recording, and what was said of it.
type trial struct {
	fault  faults.Fault
	causes []report.Cause
	open   int    // deaths and pods called undetermined
	looks  string // what a table of reasons sees
	naive  string // the rule that such a table would name
	facts  int
	lost   []string
}

// measure diagnoses every recording in a folder.
func measure(folder string) ([]trial, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no recording in %s", folder)
	}
	var trials []trial
	for _, name := range names {
		t, err := try(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		trials = append(trials, t)
	}
	return trials, nil
}

func try(name string) (trial, error) {
	fault, err := faults.Find(strings.TrimSuffix(filepath.Base(name), ".txtar"))
	if err != nil {
		return trial{}, err
	}
	files, err := collect.OpenArchive(name)
	if err != nil {
		return trial{}, err
	}
	s, err := collect.Bundle{FS: files, Name: name}.Snapshot(context.Background(), evidence.Selection{})
	if err != nil {
		return trial{}, err
	}
	r := report.New(diagnosis.Examine(s, rules.All()))
	t := trial{fault: fault, causes: r.Causes, open: len(r.Undetermined)}
	t.looks, t.naive = table(s)
	all := cited(r.Causes)
	t.facts = len(all)
	for _, f := range all {
		if !found(s, f) {
			t.lost = append(t.lost, fmt.Sprintf("%s %s: %s", f.Source, f.Where, f.Text))
		}
	}
	return t, nil
}

// cited returns the facts of causes and of what follows from them, for and against.
func cited(causes []report.Cause) []report.Fact {
	var all []report.Fact
	for _, c := range causes {
		all = slices.Concat(all, c.Facts, c.Against, cited(c.Leads))
	}
	return all
}

// right tells whether the right rule is among the first n causes. A fault of which the API alone cannot tell the cause
// may be left undetermined.
func (t trial) right(n int) bool {
	if len(t.causes) == 0 {
		return t.fault.Least == "possible" && t.open > 0
	}
	if n > 1 && !t.names(t.fault.And, n) {
		return false
	}
	return t.names(t.fault.Want, n)
}

// names tells whether one of the rules is that of one of the first n causes; no rules are always named.
func (t trial) names(ids []string, n int) bool {
	return len(ids) == 0 || slices.ContainsFunc(t.causes[:min(n, len(t.causes))], func(c report.Cause) bool {
		return slices.Contains(ids, c.Rule)
	})
}

// alarm tells whether something is said of a benign recording.
func (t trial) alarm() bool { return t.fault.Benign() && len(t.causes)+t.open > 0 }

func (t trial) wrong() bool {
	return t.alarm() || !t.fault.Benign() && !t.right(1) || len(t.lost) > 0
}

// said is the first cause, in a word.
func (t trial) said() string {
	switch {
	case len(t.causes) > 0:
		return t.causes[0].Rule
	case t.open > 0:
		return "undetermined"
	}
	return "nothing"
}

func (t trial) String() string {
	verdict, want := "right", strings.Join(t.fault.Want, " or ")
	if t.wrong() {
		verdict = "WRONG"
	}
	if t.fault.Benign() {
		want = "nothing"
	}
	line := fmt.Sprintf("%s  %-28s expected %s, said %s", verdict, t.fault.Name, want, t.said())
	if len(t.causes) > 0 {
		line += ": " + t.causes[0].Message
	}
	return strings.Join(append([]string{line}, t.lost...), "\n       not found again: ")
}

// A score adds trials up.
type score struct {
	faults, benign, first, three, naive, alarms, naiveAlarms, facts, grounded int
}

func sum(trials []trial) score {
	var s score
	count := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	for _, t := range trials {
		benign := t.fault.Benign()
		count(&s.benign, benign)
		count(&s.faults, !benign)
		count(&s.first, !benign && t.right(1))
		count(&s.three, !benign && t.right(3))
		count(&s.naive, !benign && slices.Contains(t.fault.Want, t.naive))
		count(&s.alarms, t.alarm())
		count(&s.naiveAlarms, benign && t.naive != "")
		s.facts += t.facts
		s.grounded += t.facts - len(t.lost)
	}
	return s
}
