// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// allowed returns the namespaces in the form that the history takes: nil for all.
func (r Rights) allowed() []string {
	if r.All {
		return nil
	}
	return append([]string{}, r.Namespaces...)
}

// A Now is the first page.
type Now struct {
	Open   []history.Incident `json:"open"`
	Quiet  []history.Incident `json:"quiet"`
	Recent []Death            `json:"recent"`
	Blind  []history.Gap      `json:"blind"`
}

const (
	mostOpen   = 100
	mostRecent = 20
	lately     = time.Hour
)

func (c *Console) now(ctx context.Context, _ url.Values, _ *http.Request, may Rights) (any, error) {
	open, err := c.Store.Incidents(ctx, history.Filter{States: []history.State{history.StateOpen}, Namespaces: may.allowed(), Limit: mostOpen})
	if err != nil {
		return nil, err
	}
	quiet, err := c.Store.Incidents(ctx, history.Filter{States: []history.State{history.StateQuiet}, Namespaces: may.allowed(), Limit: mostRecent})
	if err != nil {
		return nil, err
	}
	deaths, err := c.Store.Deaths(ctx, history.Filter{Namespaces: may.allowed(), Limit: mostRecent})
	if err != nil {
		return nil, err
	}
	now := Now{Open: open.Items, Quiet: quiet.Items, Recent: each(deaths.Items, deathOf)}
	slices.SortStableFunc(now.Open, func(a, b history.Incident) int { return cmp.Compare(b.Pods, a.Pods) })
	if may.All {
		now.Blind, err = c.Store.GapsIn(ctx, "", c.Now().Add(-lately), time.Time{}, nil, mostRecent)
	}
	return now, err
}

// A Death is one as pages show it.
type Death struct {
	history.Death
	At   time.Time `json:"at"`
	Exit string    `json:"exit"` // how it ended, in a word
	Why  string    `json:"why"`
}

func deathOf(d history.Death) Death {
	shown := Death{Death: d, At: d.Finished, Why: d.Missing, Exit: fmt.Sprintf("exit %d", d.ExitCode)}
	if shown.At.IsZero() {
		shown.At = d.Seen
	}
	if d.Reason != "" {
		shown.Exit += ", " + d.Reason
	}
	if d.Kind == history.Stuck || d.Missing != "" && d.Finished.IsZero() {
		shown.Exit = ""
	}
	if d.Verdict != nil {
		shown.Why = d.Verdict.Message
		if !d.Verdict.Settled && d.Missing == "" {
			shown.Why += " (provisional)"
		}
	}
	return shown
}

func each[A, B any](list []A, f func(A) B) []B {
	mapped := make([]B, len(list))
	for i := range list {
		mapped[i] = f(list[i])
	}
	return mapped
}

// A List is a page of incidents.
type List struct {
	State  string             `json:"state"`
	States []string           `json:"-"`
	Rule   string             `json:"rule,omitempty"`
	Node   string             `json:"node,omitempty"`
	Items  []history.Incident `json:"items"`
	Next   string             `json:"next,omitempty"` // the address of the page behind it
}

var states = []string{"all", "open", "quiet", "closed"}

func (c *Console) incidents(ctx context.Context, q url.Values, r *http.Request, may Rights) (any, error) {
	list := List{State: cmp.Or(q.Get("state"), "all"), States: states, Rule: q.Get("rule"), Node: q.Get("node")}
	f := history.Filter{Namespaces: may.allowed(), Rule: list.Rule, Node: list.Node, Text: q.Get("q"), Cursor: q.Get("after")}
	switch at := slices.Index(states, list.State); at {
	case -1:
		return nil, &badRequest{fmt.Sprintf("there is no state %q: expected all, open, quiet or closed", list.State)}
	case 0:
	default:
		f.States = []history.State{history.State(at - 1)}
	}
	found, err := c.Store.Incidents(ctx, f)
	if errors.Is(err, history.ErrCursor) {
		return nil, &badRequest{err.Error()}
	}
	list.Items = found.Items
	if found.Next != "" {
		q.Set("after", found.Next)
		list.Next = r.URL.Path + "?" + q.Encode()
	}
	return list, err
}

func (c *Console) search(ctx context.Context, q url.Values, r *http.Request, may Rights) (any, error) {
	if q.Get("q") == "" {
		return List{}, nil
	}
	return c.incidents(ctx, q, r, may)
}

// An Incident is one with its deaths, what was told of the last of them, and their timeline.
type Incident struct {
	Incident history.Incident `json:"incident"`
	Deaths   []Death          `json:"deaths"` // the latest first
	Told     *report.Report   `json:"told,omitempty"`
	Line     *timeline        `json:"-"`
}

const mostDeaths = 200

func (c *Console) incident(ctx context.Context, _ url.Values, r *http.Request, may Rights) (any, error) {
	in, err := c.Store.Incident(ctx, r.PathValue("id"), may.allowed())
	if errors.Is(err, history.ErrNotFound) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	page, err := c.Store.Deaths(ctx, history.Filter{Incident: in.ID, Namespaces: may.allowed(), Limit: mostDeaths})
	if err != nil {
		return nil, err
	}
	shown := Incident{Incident: in, Deaths: each(page.Items, deathOf)}
	for _, d := range page.Items {
		if d.HasBundle {
			shown.Told, err = c.told(ctx, d.ID, may)
			break
		}
	}
	shown.Line = newTimeline(page.Items)
	return shown, err
}

// A Told is a death with all that is known of it.
type Told struct {
	Death  Death           `json:"death"`
	Told   *report.Report  `json:"told,omitempty"`
	Logs   []logText       `json:"logs,omitempty"`
	Events []history.Event `json:"events,omitempty"`
}

func (c *Console) death(ctx context.Context, _ url.Values, r *http.Request, may Rights) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, errNotFound
	}
	d, err := c.Store.Death(ctx, id, may.allowed())
	if errors.Is(err, history.ErrNotFound) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	t := Told{Death: deathOf(d)}
	if t.Told, err = c.told(ctx, id, may); err != nil {
		return nil, err
	}
	bundle, err := c.Store.Bundle(ctx, id, may.allowed())
	if err != nil && !errors.Is(err, history.ErrNotFound) {
		return nil, err
	}
	t.Logs = logsOf(&d, bundle, t.Told)
	about := d.Of.Object()
	t.Events, err = c.Store.EventsOf(ctx, d.Cluster, about, t.Death.At.Add(-lately), t.Death.At.Add(lately), may.allowed(), mostDeaths)
	if err != nil {
		return nil, err
	}
	all, err := c.evidence(ctx, id, may)
	return may.veilOf(all).cover(t), err
}

// A Heat is deaths by workload and hour.
type Heat struct {
	From, To time.Time
	Rows     []heatRow
}

type heatRow struct {
	Namespace, Name, Workload string
	Deaths                    int
	Hours                     []heatCell
}

type heatCell struct {
	Deaths      int
	Text, Class string
}

const heatHours = 48

func (c *Console) workloads(ctx context.Context, _ url.Values, _ *http.Request, may Rights) (any, error) {
	to := c.Now().UTC().Truncate(time.Hour).Add(time.Hour)
	heat := Heat{From: to.Add(-heatHours * time.Hour), To: to}
	cells, err := c.Store.Heat(ctx, history.Filter{Namespaces: may.allowed(), From: heat.From, To: to})
	rows := map[string]*heatRow{}
	for _, cell := range cells {
		key := cell.Workload.Namespace + "/" + cell.Workload.String()
		row := rows[key]
		if row == nil {
			row = &heatRow{Namespace: cell.Namespace, Name: cell.Workload.Name, Workload: cell.Workload.String(), Hours: make([]heatCell, heatHours)}
			rows[key] = row
		}
		row.Deaths += cell.Deaths
		h := &row.Hours[min(max(int(cell.Hour.Sub(heat.From)/time.Hour), 0), heatHours-1)]
		h.Deaths += cell.Deaths
		h.Text = fmt.Sprintf("%s: %d", cell.Hour.Format("Jan 2 15:04"), h.Deaths)
		h.Class = "h" + strconv.Itoa(min(1+h.Deaths/4, 4))
		if cell.Rule != "" {
			h.Text += ", " + cell.Rule
		}
	}
	for _, row := range rows {
		heat.Rows = append(heat.Rows, *row)
	}
	slices.SortFunc(heat.Rows, func(a, b heatRow) int {
		return cmp.Or(cmp.Compare(b.Deaths, a.Deaths), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Workload, b.Workload))
	})
	return heat, err
}

// Nodes are those on which something died.
type Nodes struct{ Nodes []nodeRow }

type nodeRow struct {
	Name      string
	Deaths    int
	Last      time.Time
	Incidents int
}

func (c *Console) nodes(ctx context.Context, _ url.Values, _ *http.Request, may Rights) (any, error) {
	found, err := c.Store.Incidents(ctx, history.Filter{Namespaces: may.allowed(), From: c.Now().Add(-24 * time.Hour), Limit: 1000})
	rows := map[string]*nodeRow{}
	for _, in := range found.Items {
		for _, name := range in.Nodes {
			row := rows[name]
			if row == nil {
				row = &nodeRow{Name: name}
				rows[name] = row
			}
			row.Incidents++
			if in.Last.After(row.Last) {
				row.Last = in.Last
			}
		}
	}
	var nodes Nodes
	for name, row := range rows {
		n, err := c.Store.Count(ctx, history.Filter{Node: name, Namespaces: may.allowed(), From: c.Now().Add(-24 * time.Hour)})
		if err != nil {
			return nil, err
		}
		row.Deaths = n.Recorded + n.Missing
		nodes.Nodes = append(nodes.Nodes, *row)
	}
	slices.SortFunc(nodes.Nodes, func(a, b nodeRow) int { return cmp.Or(cmp.Compare(b.Deaths, a.Deaths), cmp.Compare(a.Name, b.Name)) })
	return nodes, err
}

func (c *Console) rules(context.Context, url.Values, *http.Request, Rights) (any, error) {
	type line struct{ ID, Title string }
	return struct{ Rules []line }{each(c.Rules, func(r *diagnosis.Rule) line { return line{r.ID, r.Title} })}, nil
}

func (c *Console) rule(_ context.Context, _ url.Values, r *http.Request, _ Rights) (any, error) {
	at := slices.IndexFunc(c.Rules, func(rule *diagnosis.Rule) bool { return rule.ID == r.PathValue("id") })
	if at < 0 {
		return nil, errNotFound
	}
	rule := c.Rules[at]
	return struct{ ID, Title, Needs, Doc string }{rule.ID, rule.Title, rule.Needs.String(), rule.Doc}, nil
}
