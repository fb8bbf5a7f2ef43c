// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// An IncidentPage is an incident with its deaths, what was told of the latest of them, and what happened around them.
type IncidentPage struct {
	Bounds

	Incident     Incident   `json:"incident"`
	Deaths       []Death    `json:"deaths"` // the latest first, as many as are shown
	Died         int        `json:"died"`   // how many of those are runs that ended; the rest are pods that are stuck
	Of           int64      `json:"of"`     // the death that told and siblings are of; 0: of none there is evidence
	Told         *Told      `json:"told,omitempty"`
	Timeline     *Timeline  `json:"timeline,omitempty"`
	Logs         []Log      `json:"logs"`     // of each run that was captured, the latest first
	MoreLogs     int        `json:"moreLogs"` // runs among the deaths that were captured as well, whose logs their own pages have
	Siblings     []Sibling  `json:"siblings"` // the pods of the workload of that death, and what else died
	MoreSiblings int        `json:"moreSiblings"`
	Beside       []Incident `json:"beside"`   // other incidents of that time
	Gaps         []Gap      `json:"gaps"`     // times of the incident in which something was not seen, the latest first
	MoreGaps     int        `json:"moreGaps"` // before those
	Missed       int        `json:"missed"`   // runs of its workloads that ended in its time as well, as far as restart counts tell; their evidence is gone
}

const (
	mostDeaths   = 200
	mostBundles  = 8  // of an incident that are read for its timeline
	mostPods     = 20 // whose Events are asked for
	mostExported = 50 // deaths in an archive, for who may not see all
	around       = 10 * time.Minute
)

func (c *Console) incident(ctx context.Context, r *http.Request, may Rights) (any, error) {
	span, ok := spanOf(r.URL.Query().Get("span"))
	if !ok {
		return nil, &badRequestError{fmt.Sprintf("there is no span %q: expected one as 15m, 6h or 7d", r.URL.Query().Get("span"))}
	}
	in, err := c.own().Incident(ctx, r.PathValue("id"), may.allowed())
	if errors.Is(err, history.ErrNotFound) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	page, err := c.own().Deaths(ctx, history.Filter{Incident: in.ID, Namespaces: may.allowed(), Limit: mostDeaths})
	if err != nil {
		return nil, err
	}
	shown := IncidentPage{Bounds: may.bounds(), Incident: incidentOf(in), Deaths: each(page.Items, deathOf), Logs: []Log{}, Siblings: []Sibling{}}
	if err := c.unseen(ctx, &in, page.Items, may, &shown); err != nil {
		return nil, err
	}
	for _, d := range shown.Deaths {
		if d.Kind != "stuck" {
			shown.Died++
		}
	}
	s := newStory()
	veils, err := c.lookInto(ctx, page.Items, may, s, &shown)
	if err != nil {
		return nil, err
	}
	if err := c.eventsAround(ctx, &in, page.Items, may, s); err != nil {
		return nil, err
	}
	s.gaps = shown.Gaps
	shown.Timeline = s.timeline(span, r.URL.Query().Get("span"))
	if shown.Beside, err = c.beside(ctx, &in, may); err != nil {
		return nil, err
	}
	var covered any = shown
	for _, v := range veils {
		covered = v.cover(covered)
	}
	return covered, nil
}

// unseen notes when something was not seen, and what is known to have happened all the same.
func (c *Console) unseen(ctx context.Context, in *history.Incident, deaths []history.Death, may Rights, shown *IncidentPage) (err error) {
	from, to := in.Around(c.Now())
	if shown.Gaps, shown.MoreGaps, err = c.gapsIn(ctx, in.Cluster, from, to, may); err != nil {
		return err
	}
	shown.Missed, err = c.missed(ctx, in.Cluster, deaths, from, to, may)
	return err
}

// lookInto reads the evidence of the latest deaths: what was told of the first that has any, what all tell of time, and their logs. It
// returns what is to be hidden of that.
func (c *Console) lookInto(ctx context.Context, deaths []history.Death, may Rights, s *story, shown *IncidentPage) (veils []*veil, err error) {
	logs, captured := runLogs{}, evidence.Ref{}
	snapshot := (&evidence.Snapshot{}).Freeze()
	for i := range deaths {
		d := &deaths[i]
		s.death(d)
		if !d.HasBundle {
			continue
		}
		if len(veils) == mostBundles {
			logs.unread(d)
			continue
		}
		k, err := c.keptOf(ctx, d.ID, may)
		if err != nil {
			return nil, err
		}
		veils = append(veils, k.veil)
		s.snapshot(k.snapshot, d)
		logs.read(d, &k)
		if t := told(&k, shown.Incident.Rule); t != nil && shown.Told == nil {
			shown.Told, shown.Of = t, d.ID
			snapshot, captured = k.snapshot, d.Of
		}
	}
	shown.Logs, shown.MoreLogs = logs.all(), logs.more
	shown.Siblings, shown.MoreSiblings = siblings(snapshot, captured, deaths)
	return veils, nil
}

// eventsAround adds the Events of the pods that died, and of their nodes, from shortly before the first to shortly after the last.
func (c *Console) eventsAround(ctx context.Context, in *history.Incident, deaths []history.Death, may Rights, s *story) error {
	asked := map[evidence.Ref]bool{}
	for i := range deaths {
		if len(asked) < mostPods {
			asked[deaths[i].Of.Object()] = true
		}
	}
	for _, node := range in.Nodes[:min(len(in.Nodes), mostBundles)] {
		asked[evidence.RefTo("Node", "", node)] = true
	}
	for about := range asked {
		events, err := c.own().EventsOf(ctx, in.Cluster, about, in.First.Add(-around), in.Last.Add(around), may.allowed(), mostDeaths)
		if err != nil {
			return err
		}
		for i := range events {
			if about.Kind != "Node" || isChange(&events[i]) || events[i].Type == "Warning" {
				s.event(&events[i].Event)
			}
		}
	}
	return nil
}

// beside are the incidents that had deaths at the same time.
func (c *Console) beside(ctx context.Context, in *history.Incident, may Rights) ([]Incident, error) {
	f := history.Filter{Cluster: in.Cluster, Namespaces: may.allowed(), From: in.First.Add(-around), To: in.Last.Add(around), Limit: mostBundles}
	found, err := c.own().Incidents(ctx, f)
	if err != nil {
		return nil, err
	}
	others := keep(found.Items, func(other history.Incident) bool { return other.ID != in.ID })
	return each(others, incidentOf), nil
}

// A DeathPage is a death with all that is known of it.
type DeathPage struct {
	Bounds

	Death        Death     `json:"death"`
	Told         *Told     `json:"told,omitempty"`
	Timeline     *Timeline `json:"timeline,omitempty"`
	Logs         []Log     `json:"logs"`
	Events       []Event   `json:"events"`
	Siblings     []Sibling `json:"siblings"`
	MoreSiblings int       `json:"moreSiblings"`
	Gaps         []Gap     `json:"gaps"` // times around it in which something was not seen
	MoreGaps     int       `json:"moreGaps"`
	Missed       int       `json:"missed"` // runs of its workload that ended around it as well, as far as restart counts tell; their evidence is gone
}

func (c *Console) findDeath(ctx context.Context, r *http.Request, may Rights) (history.Death, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return history.Death{}, errNotFound
	}
	d, err := c.own().Death(ctx, id, may.allowed())
	if errors.Is(err, history.ErrNotFound) {
		err = errNotFound
	}
	return d, err
}

func (c *Console) death(ctx context.Context, r *http.Request, may Rights) (any, error) {
	d, err := c.findDeath(ctx, r, may)
	if err != nil {
		return nil, err
	}
	k, err := c.keptOf(ctx, d.ID, may)
	if err != nil {
		return nil, err
	}
	shown := DeathPage{Bounds: may.bounds(), Death: deathOf(d), Logs: logsOf(&k, &d)}
	shown.Siblings, shown.MoreSiblings = siblings(k.snapshot, d.Of, []history.Death{d})
	rule := ""
	if d.Verdict != nil {
		rule = d.Verdict.Rule
	}
	shown.Told = told(&k, rule)
	s := newStory()
	s.death(&d)
	s.snapshot(k.snapshot, &d)
	at := shown.Death.At
	if shown.Gaps, shown.MoreGaps, err = c.gapsIn(ctx, d.Cluster, at.Add(-around), at.Add(around), may); err != nil {
		return nil, err
	}
	if shown.Missed, err = c.missed(ctx, d.Cluster, []history.Death{d}, at.Add(-around), at.Add(around), may); err != nil {
		return nil, err
	}
	if d.Missing != "" && d.Verdict == nil { // it is one of those
		shown.Missed = max(shown.Missed-1, 0)
	}
	s.gaps = shown.Gaps
	events, err := c.own().EventsOf(ctx, d.Cluster, d.Of.Object(), at.Add(-lately), at.Add(lately), may.allowed(), mostDeaths)
	for i := range events {
		s.event(&events[i].Event)
	}
	shown.Events, shown.Timeline = each(events, eventOf), s.timeline(0, "")
	return k.veil.cover(shown), err
}

// bundle serves the evidence of a death as inquest why --from reads it.
func (c *Console) bundle(ctx context.Context, r *http.Request, may Rights) (name string, files map[string][]byte, err error) {
	d, err := c.findDeath(ctx, r, may)
	if err != nil {
		return "", nil, err
	}
	files, err = c.own().Bundle(ctx, d.ID, nil)
	return fmt.Sprintf("death-%d.zip", d.ID), may.files(files), err
}

// export serves an incident with the evidence of its deaths, as inquest why --from reads it and inquest history export writes it.
func (c *Console) export(ctx context.Context, r *http.Request, may Rights) (name string, files map[string][]byte, err error) {
	all, files, err := c.own().Export(ctx, r.PathValue("id"), may.narrowing())
	return "incident-" + all.Incident.ID + ".zip", files, err
}

// download serves files as an archive.
func (c *Console) download(read func(ctx context.Context, r *http.Request, may Rights) (string, map[string][]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		may, err := c.Access.Rights(r.Context(), r)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		leave, ok := c.made.enter(c.Access.Caller(r), r.Context().Done())
		if !ok {
			c.refuse(w, r, errBusy)
			return
		}
		defer leave()
		name, files, err := read(r.Context(), r, may)
		if errors.Is(err, history.ErrNotFound) {
			err = errNotFound
		}
		if err != nil {
			c.refuse(w, r, may.missing(err))
			return
		}
		w.Header().Set("Content-Type", "application/zip")
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename=%q`, name))
		if err := collect.WriteZip(newSteady(w), files); err != nil {
			c.Log.Warn("a bundle was not sent whole", "name", name, "err", err)
		}
	}
}
