// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// A record is what is kept of one death, as far as the caller may see it. What is not kept is empty.
type kept struct {
	report   report.Report
	snapshot *evidence.Snapshot // never nil
	raw      map[string][]byte
}

// keptOf reads the evidence of a death and what was told of it.
func (c *Console) keptOf(ctx context.Context, id int64, may Rights) (kept, error) {
	k := kept{snapshot: (&evidence.Snapshot{}).Freeze()}
	var err error
	k.raw, err = c.Store.Bundle(ctx, id, may.allowed())
	if err != nil {
		return k, ignoreMissing(err)
	}
	snapshot, err := snapshotOf(ctx, k.raw)
	if err != nil {
		c.Log.Warn("the evidence of a death could not be read", "death", id, "err", err)
	} else {
		k.snapshot = may.confine(snapshot)
	}
	k.report, err = c.report(ctx, id, may)
	return k, ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, history.ErrNotFound) {
		return nil
	}
	return err
}

func snapshotOf(ctx context.Context, files map[string][]byte) (*evidence.Snapshot, error) {
	return collect.Bundle{FS: memory(files)}.Snapshot(ctx, evidence.Selection{})
}

// report reads what was told of a death, without what is about namespaces that the caller may not see.
func (c *Console) report(ctx context.Context, id int64, may Rights) (report.Report, error) {
	var r report.Report
	data, err := c.Store.Report(ctx, id, may.allowed())
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read the report of death %d: %w", id, err)
	}
	return may.confineReport(r), nil
}

// told arranges a report for who asks about an incident of a rule: its causes first, what else was found then behind.
func told(k *kept, rule string) *Told {
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
			c.Same = append(some[i].Same, some[i].About.String())
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

// elsewhere stands for what a caller may not see.
const elsewhere = "(something in a namespace that you may not see)"

func (r Rights) seesNamespace(name string) bool {
	if r.All || name == "" {
		return true
	}
	for _, n := range r.Namespaces {
		if n == name {
			return true
		}
	}
	return false
}

// confine leaves out of a snapshot what is in namespaces that the caller may not see, and what nodes tell: their facts name what
// else runs on them.
func (r Rights) confine(s *evidence.Snapshot) *evidence.Snapshot {
	if r.All {
		return s
	}
	sees := func(about evidence.Ref) bool { return about.Namespace != "" && r.seesNamespace(about.Namespace) }
	c := &evidence.Snapshot{Taken: s.Taken, Has: s.Has, Asked: keep(s.Asked, sees), Context: keep(s.Context, sees), Absent: keep(s.Absent, sees)}
	if sees(s.Subject) {
		c.Subject = s.Subject
	}
	c.Gaps = keep(s.Gaps, func(g evidence.Gap) bool { return sees(g.About) })
	c.Objects = keep(s.Objects, func(o evidence.Object) bool { return sees(evidence.RefOf(o)) })
	for _, e := range s.Events {
		if sees(evidence.EventOf(e).About) && r.seesNamespace(e.Namespace) {
			c.Events = append(c.Events, e)
		}
	}
	c.Logs = keep(s.Logs, func(l evidence.Log) bool { return sees(l.Of) })
	c.Facts = keep(s.Facts, func(f evidence.Fact) bool { return sees(f.About) })
	c.Runs = keep(s.Runs, func(a evidence.Attempt) bool { return sees(a.Of) })
	return c.Freeze()
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

// confineReport does the same for a report. What is about a node or the cluster stays as a claim without its words, which may
// name anything.
func (r Rights) confineReport(whole report.Report) report.Report {
	if r.All {
		return whole
	}
	sees := func(t report.Thing) bool { return t.Namespace != "" && r.seesNamespace(t.Namespace) }
	c := report.Report{APIVersion: whole.APIVersion, Kind: whole.Kind, Taken: whole.Taken, Causes: r.confineCauses(whole.Causes)}
	if sees(whole.Subject) {
		c.Subject = whole.Subject
	}
	c.Undetermined = keep(whole.Undetermined, func(u report.Undetermined) bool { return sees(u.About) })
	c.Gaps = keep(whole.Gaps, func(g report.Gap) bool { return sees(g.About) })
	c.Skipped = keep(whole.Skipped, func(s report.Skip) bool { return sees(s.About) })
	return c
}

func (r Rights) confineCauses(causes []report.Cause) []report.Cause {
	var some []report.Cause
	for _, c := range causes {
		own := c.About.Namespace != "" && r.seesNamespace(c.About.Namespace)
		c.Leads = r.confineCauses(c.Leads)
		if !own && len(c.Leads) == 0 {
			continue
		}
		if !own { // what follows from it is the caller's to see
			c.About, c.Message, c.Facts, c.Against, c.Fixes = report.Thing{}, elsewhere, nil, nil, nil
		}
		c.Facts, c.Against = r.confineFacts(c.Facts, c.About), r.confineFacts(c.Against, c.About)
		some = append(some, c)
	}
	return some
}

func (r Rights) confineFacts(facts []report.Fact, about report.Thing) []report.Fact {
	return keep(facts, func(f report.Fact) bool {
		return r.seesNamespace(f.About.Namespace) && (f.About.Namespace != "" || f.About.Kind == "" && about.Namespace != "")
	})
}

// confineFiles leaves out of bundles, each in a folder of its own or the one at the root, what the caller may not see.
func (r Rights) confineFiles(ctx context.Context, files map[string][]byte) (map[string][]byte, error) {
	if r.All {
		return files, nil
	}
	folders := map[string]map[string][]byte{}
	confined := map[string][]byte{}
	for name, data := range files {
		folder, rest := "", name
		if strings.HasPrefix(name, "death-") {
			folder, rest, _ = strings.Cut(name, "/")
			folder += "/"
		}
		if folder == "" && rest == "incident.json" {
			confined[name] = data
			continue
		}
		if rest == "report.json" {
			var told report.Report
			if err := json.Unmarshal(data, &told); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			var err error
			if confined[name], err = report.JSON([]report.Report{r.confineReport(told)}); err != nil {
				return nil, fmt.Errorf("write %s: %w", name, err)
			}
			continue
		}
		if folders[folder] == nil {
			folders[folder] = map[string][]byte{}
		}
		folders[folder][rest] = data
	}
	for folder, bundle := range folders {
		s, err := snapshotOf(ctx, bundle)
		if err != nil {
			return nil, err
		}
		some, err := collect.Files(r.confine(s))
		if err != nil {
			return nil, err
		}
		for name, data := range some {
			confined[folder+name] = data
		}
	}
	return confined, nil
}

// A quote is evidence as it is shown: lines of one log together.
type quote struct {
	Source, Where, Text string
	At                  time.Time
	Log                 bool
}

// quotes puts the lines of a log that follow each other together.
func quotes(facts []report.Fact) []quote {
	var all []quote
	for _, f := range facts {
		log := f.Source == evidence.FromLog.String()
		if n := len(all); n > 0 && log && all[n-1].Log {
			all[n-1].Text += "\n" + f.Text
			continue
		}
		all = append(all, quote{f.Source, f.Where, f.Text, f.At, log})
	}
	return all
}

// Evidence is what supports a cause.
func (c Cause) Evidence() []quote { return quotes(c.Facts) }

// Counter is what speaks against it.
func (c Cause) Counter() []quote { return quotes(c.Against) }
