// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A timeline is runs over time, in units of a picture that is a thousand wide.
type timeline struct {
	From, To time.Time
	Height   int
	Marks    []mark
	Rows     []timeRow
}

type mark struct {
	X    int
	Text string
}

type timeRow struct {
	Name          string
	Label, Y, Mid int
	Runs          []run
	Events        []mark
}

type run struct {
	X, Width, End int
	Dead          bool
	Text          string
}

const (
	mostRows  = 20
	rowHeight = 30
	wide      = 1000
)

// newTimeline draws the runs that deaths ended, a row for each container; nil where no time of one is known.
func newTimeline(deaths []history.Death) *timeline {
	byContainer := map[evidence.Ref][]history.Death{}
	var t timeline
	for _, d := range deaths {
		if d.Finished.IsZero() {
			continue
		}
		of := d.Of
		of.Attempt = evidence.NoAttempt
		byContainer[of] = append(byContainer[of], d)
		began := cmp.Or(d.Started, d.Finished)
		if t.From.IsZero() || began.Before(t.From) {
			t.From = began
		}
		if d.Finished.After(t.To) {
			t.To = d.Finished
		}
	}
	if len(byContainer) == 0 {
		return nil
	}
	span := max(t.To.Sub(t.From), time.Second)
	x := func(at time.Time) int { return int(at.Sub(t.From) * (wide - 10) / span) }
	var rows []evidence.Ref
	for of := range byContainer {
		rows = append(rows, of)
	}
	slices.SortFunc(rows, evidence.Ref.Compare)
	for i, of := range rows[:min(len(rows), mostRows)] {
		row := timeRow{Name: of.String(), Label: 26 + i*rowHeight, Y: 30 + i*rowHeight, Mid: 35 + i*rowHeight}
		for _, d := range byContainer[of] {
			from, to := x(cmp.Or(d.Started, d.Finished)), x(d.Finished)
			row.Runs = append(row.Runs, run{from, max(to-from, 1), to, true, deathOf(d).Exit})
		}
		t.Rows = append(t.Rows, row)
	}
	t.Height = 40 + len(t.Rows)*rowHeight
	for i := range 5 {
		at := t.From.Add(span * time.Duration(i) / 5)
		t.Marks = append(t.Marks, mark{x(at), at.UTC().Format("15:04:05")})
	}
	return &t
}
