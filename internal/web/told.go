// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// A known is what is kept of one death, as far as the caller may see it. What is not kept is empty.
type known struct {
	report   report.Report
	snapshot *evidence.Snapshot // never nil
	veil     *veil              // over what is made of it
}

// keptOf reads the evidence of a death and what was told of it.
func (c *Console) keptOf(ctx context.Context, id int64, may Rights) (known, error) {
	k := known{snapshot: (&evidence.Snapshot{}).Freeze()}
	all, err := c.own().Bundle(ctx, id, nil) // what is to be hidden stands there
	if err != nil {
		return k, ignoreMissing(err)
	}
	k.veil = may.veilOf(all)
	snapshot, err := collect.Bundle{FS: collect.Memory(may.files(all))}.Snapshot(ctx, evidence.Selection{})
	if err != nil {
		c.Log.Warn("the evidence of a death could not be read", "death", id, "err", err)
	} else {
		k.snapshot = snapshot
	}
	k.report, err = c.reportOf(ctx, id, may, all)
	return k, ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, history.ErrNotFound) {
		return nil
	}
	return err
}

// report reads what was told of a death, as far as the caller may see it.
func (c *Console) report(ctx context.Context, id int64, may Rights) (report.Report, error) {
	var all map[string][]byte
	if !may.All {
		var err error
		if all, err = c.own().Bundle(ctx, id, nil); ignoreMissing(err) != nil {
			return report.Report{}, err
		}
	}
	return c.reportOf(ctx, id, may, all)
}

func (c *Console) reportOf(ctx context.Context, id int64, may Rights, all map[string][]byte) (report.Report, error) {
	var r report.Report
	data, err := c.own().Report(ctx, id, may.allowed())
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read the report of death %d: %w", id, err)
	}
	narrowed, err := may.narrow(&r, all)
	if err != nil {
		return report.Report{}, err
	}
	return *narrowed, nil
}

// told arranges a report for who asks about an incident of a rule: its causes first, what else was found then behind.
func told(k *known, rule string) *Told {
	if k.report.Kind == "" && len(k.report.Causes)+len(k.report.Undetermined)+len(k.report.Gaps) == 0 {
		return nil
	}
	r := &k.report
	t := Told{
		Taken: r.Taken, Causes: []Cause{}, Others: []Cause{}, Undetermined: full(r.Undetermined), Gaps: full(r.Gaps), Skipped: full(r.Skipped),
	}
	for _, c := range r.Causes {
		if shown := causeOf(k.snapshot, c); rule == "" || c.Rule == rule {
			t.Causes = append(t.Causes, shown)
		} else {
			t.Others = append(t.Others, shown)
		}
	}
	if len(t.Causes) == 0 && rule != "" {
		t.Causes, t.Others = t.Others, t.Causes
	}
	t.Causes, t.Others = alike(t.Causes), alike(t.Others)
	return &t
}

// Unseen says what could not be seen, what is the same of several runs once.
func (t *Told) Unseen() []string {
	var lines []string
	runs := map[string]int{}
	for _, g := range t.Gaps {
		line := g.Kind
		if g.About.Kind != "" {
			line += " of " + g.About.String()
		}
		line += ": " + g.Why
		if runs[line]++; runs[line] == 1 {
			lines = append(lines, line)
		}
	}
	for i, line := range lines {
		if n := runs[line]; n > 1 {
			lines[i] += fmt.Sprintf(" (of %d runs)", n)
		}
	}
	return lines
}

// alike tells once what is the same of several things.
func alike(causes []Cause) []Cause {
	some, at := []Cause{}, map[string]int{}
	for _, c := range causes {
		key := c.Rule + c.Confidence + c.About.Kind + c.About.Namespace + c.About.Container + c.Message
		i, known := at[key]
		switch {
		case !known:
			at[key] = len(some)
			some = append(some, c)
		case len(c.Leads) > 0 && len(some[i].Leads) == 0: // it has more to tell
			c.Same = slices.Concat(some[i].Same, []string{some[i].About.String()})
			some[i] = c
		default:
			some[i].Same = append(some[i].Same, c.About.String())
		}
	}
	return some
}

func causeOf(s *evidence.Snapshot, c report.Cause) Cause {
	shown := Cause{
		Rule: c.Rule, Title: c.Title, About: c.About, At: c.At, Confidence: c.Confidence, Message: c.Message,
		Facts: full(c.Facts), Against: full(c.Against), Fixes: []Fix{}, Leads: []Cause{}, Same: []string{},
	}
	for _, f := range c.Fixes {
		shown.Fixes = append(shown.Fixes, fixOf(s, f))
	}
	for _, lead := range c.Leads {
		shown.Leads = append(shown.Leads, causeOf(s, lead))
	}
	return shown
}

func keep[T any](list []T, keeps func(T) bool) []T {
	var some []T
	for _, v := range list {
		if keeps(v) {
			some = append(some, v)
		}
	}
	return some
}

// A Quote is evidence as it is shown: lines of one log together.
type Quote struct {
	Source, Where, Text string
	At                  time.Time
	Log                 bool
}

// quotes puts the lines of a log that follow each other together.
func quotes(facts []report.Fact) []Quote {
	var all []Quote
	for _, f := range facts {
		log := f.Source == evidence.FromLog.String()
		if n := len(all); n > 0 && log && all[n-1].Log {
			all[n-1].Text += "\n" + f.Text
			continue
		}
		all = append(all, Quote{f.Source, f.Where, f.Text, f.At, log})
	}
	return all
}

// Evidence is what supports a cause.
func (c Cause) Evidence() []Quote { return quotes(c.Facts) }

// Counter is what speaks against it.
func (c Cause) Counter() []Quote { return quotes(c.Against) }
