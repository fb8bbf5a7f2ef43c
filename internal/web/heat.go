// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

// A Heat is deaths by workload, time and cause.
type Heat struct {
	Bounds

	Span   string      `json:"span"`
	From   time.Time   `json:"from"`
	To     time.Time   `json:"to"`
	Step   string      `json:"step"` // how long a column is
	Rows   []HeatRow   `json:"rows"`
	More   int         `json:"more"`   // rows that are not shown
	Legend []HeatCause `json:"legend"` // the most frequent first
	Missed int         `json:"missed"` // deaths known from restart counts alone, whose evidence is gone

	columns []string
}

// A HeatRow is one workload.
type HeatRow struct {
	Namespace string     `json:"namespace"`
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	Deaths    int        `json:"deaths"` // those that were missed too
	Missed    int        `json:"missed"`
	Cells     []HeatCell `json:"cells"`
}

// A HeatCell is what died of a workload within one column.
type HeatCell struct {
	Deaths int    `json:"deaths"` // those that were missed too
	Missed int    `json:"missed"` // known from restart counts alone: their evidence is gone
	Cause  string `json:"cause"`  // the letters of the most frequent; "gone" where all were missed
	Text   string `json:"text"`
	Class  string `json:"-"`

	rules map[string]int // by what explains them, of what was not missed
}

// A HeatCause is what a colour stands for.
type HeatCause struct {
	Letters string `json:"letters"` // that begin the ids of its rules; "gone" for what was missed
	Name    string `json:"name"`
	Deaths  int    `json:"deaths"`
	Class   string `json:"-"`
}

// Columns are the times of the columns, as they are named.
func (h Heat) Columns() []string { return h.columns }

// Spans are those that can be asked for.
func (Heat) Spans() []string { return []string{"24h", "3d", "7d"} }

// families name the rules by what their ids begin with.
var families = map[string]string{
	"ADM": "admission", "CHG": "change", "CFG": "configuration", "CTL": "control plane", "CRT": "creation", "DEP": "dependency", "EVC": "eviction",
	"EXT": "exit of the program", "IMG": "image", "INI": "init container", "KRN": "kernel", "MEM": "memory", "NOD": "node", "DEL": "deletion",
	"PRB": "probe", "SBX": "sandbox", "SCH": "scheduling", "STO": "storage", "USE": "usage", "WRK": "workload", "": "undetermined",
	gone: "evidence gone: restart counts alone tell of it",
}

// gone stands for what is known to have died, and no more: restart counts rose while nobody saw it. It is no cause, and not undetermined
// either, as nothing of it could be looked at.
const gone = "gone"

const (
	heatColumns = 24
	mostRows    = 100
	colours     = 7
)

// heatSpans are how long one column may be, by the span of all.
var heatSpans = map[string]time.Duration{"24h": time.Hour, "3d": 3 * time.Hour, "7d": 7 * time.Hour}

func (c *Console) workloads(ctx context.Context, r *http.Request, may Rights) (any, error) {
	span := cmp.Or(r.URL.Query().Get("span"), "24h")
	step, ok := heatSpans[span]
	if !ok {
		return nil, &badRequestError{fmt.Sprintf("there is no span %q: expected 24h, 3d or 7d", span)}
	}
	to := c.Now().UTC().Truncate(time.Hour).Add(time.Hour)
	heat := Heat{Bounds: may.bounds(), Span: span, From: to.Add(-heatColumns * step), To: to, Step: strconv.Itoa(int(step/time.Hour)) + "h", Rows: []HeatRow{}}
	layout := "15h"
	if step > time.Hour {
		layout = "Jan 2 15h"
	}
	for i := range heatColumns {
		heat.columns = append(heat.columns, heat.From.Add(time.Duration(i)*step).Format(layout))
	}
	cells, err := c.own().Heat(ctx, history.Filter{Namespaces: may.allowed(), From: heat.From, To: to})
	fill(&heat, cells, step)
	return heat, err
}

// fill arranges cells in rows, those with the most deaths.
func fill(h *Heat, cells []history.Cell, step time.Duration) {
	rows, sums := map[rowKey]*HeatRow{}, map[string]int{}
	for i := range cells {
		cell := &cells[i]
		key := rowOf(cell)
		if rows[key] == nil {
			rows[key] = &HeatRow{Namespace: key.namespace, Kind: key.kind, Name: key.name}
		}
		rows[key].Deaths += cell.Deaths
		rows[key].Missed += cell.Missing
		h.Missed += cell.Missing
		if seen := cell.Deaths - cell.Missing; seen > 0 {
			sums[letters(cell.Rule)] += seen
		}
	}
	if h.Missed > 0 {
		sums[gone] = h.Missed
	}
	h.Legend = legend(sums)
	all := slices.SortedFunc(maps.Values(rows), func(a, b *HeatRow) int {
		return cmp.Or(cmp.Compare(b.Deaths, a.Deaths), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	h.More = max(len(all)-mostRows, 0)
	all = all[:min(len(all), mostRows)]
	for _, row := range all {
		row.Cells = make([]HeatCell, heatColumns)
	}
	for i := range cells {
		if row := rows[rowOf(&cells[i])]; row.Cells != nil {
			row.add(&cells[i], int(cells[i].Hour.Sub(h.From)/step))
		}
	}
	for _, row := range all {
		for i := range row.Cells {
			row.Cells[i].finish(h.Legend, h.From.Add(time.Duration(i)*step))
		}
		h.Rows = append(h.Rows, *row)
	}
}

// A rowKey names the workload of a row.
type rowKey struct{ namespace, kind, name string }

func rowOf(c *history.Cell) rowKey { return rowKey{c.Namespace, c.Workload.Kind, c.Workload.Name} }

func letters(rule string) string { return rule[:min(len(rule), 3)] }

func (row *HeatRow) add(cell *history.Cell, column int) {
	h := &row.Cells[min(max(column, 0), heatColumns-1)]
	h.Deaths += cell.Deaths
	h.Missed += cell.Missing
	if h.rules == nil {
		h.rules = map[string]int{}
	}
	if seen := cell.Deaths - cell.Missing; seen > 0 {
		h.rules[cell.Rule] += seen
	}
}

// finish words a cell and gives it the colour of its most frequent cause, and a pattern as far as it was missed.
func (h *HeatCell) finish(legend []HeatCause, at time.Time) {
	if h.Deaths == 0 {
		return
	}
	var rules []string
	for rule := range h.rules {
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, func(a, b string) int { return cmp.Or(cmp.Compare(h.rules[b], h.rules[a]), cmp.Compare(a, b)) })
	if h.Cause = gone; len(rules) > 0 {
		h.Cause = letters(rules[0])
	}
	h.Text = at.Format("Jan 2 15:04Z")
	for _, rule := range rules[:min(len(rules), 5)] {
		h.Text += fmt.Sprintf(", %d× %s", h.rules[rule], cmp.Or(rule, "undetermined"))
	}
	if h.Missed > 0 {
		h.Text += fmt.Sprintf(", %d× known from the restart count alone: the evidence is gone", h.Missed)
	}
	for _, cause := range legend {
		if cause.Letters == h.Cause {
			h.Class = cause.Class
		}
	}
	if h.Missed > 0 && h.Cause != gone {
		h.Class += " partly"
	}
}

// legend gives the most frequent causes a colour each, and the rest one.
func legend(sums map[string]int) []HeatCause {
	all := []HeatCause{}
	for name, n := range sums {
		all = append(all, HeatCause{Letters: name, Name: cmp.Or(families[name], name), Deaths: n})
	}
	slices.SortFunc(all, func(a, b HeatCause) int {
		return cmp.Or(cmp.Compare(b.Deaths, a.Deaths), cmp.Compare(a.Letters, b.Letters))
	})
	coloured := 0
	for i := range all {
		all[i].Class = "c0"
		switch {
		case all[i].Letters == gone:
			all[i].Class = gone
		case all[i].Letters != "" && coloured < colours:
			coloured++
			all[i].Class = "c" + strconv.Itoa(coloured)
		}
	}
	return all
}
