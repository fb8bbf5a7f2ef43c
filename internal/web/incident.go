// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// An IncidentPage is an incident with its deaths, what was told of the latest of them, and what happened around them.
type IncidentPage struct {
	Bounds

	Incident Incident   `json:"incident"`
	Deaths   []Death    `json:"deaths"` // the latest first, as many as are shown
	Died     int        `json:"died"`   // how many of those are runs that ended; the rest are pods that are stuck
	Of       int64      `json:"of"`     // the death that told, logs and siblings are of; 0: of none there is evidence
	Told     *Told      `json:"told,omitempty"`
	Timeline *Timeline  `json:"timeline,omitempty"`
	Logs     []Log      `json:"logs"`
	Siblings []Sibling  `json:"siblings"`
	Beside   []Incident `json:"beside"` // other incidents of that time
}

// A Sibling is a pod of the same workload.
type Sibling struct {
	Name     string `json:"name"`
	Node     string `json:"node"`
	Phase    string `json:"phase"`
	Ready    bool   `json:"ready"`
	Restarts int    `json:"restarts"`
	Image    string `json:"image"`
	Own      bool   `json:"own"` // it is the pod that told is of
}

const (
	mostDeaths   = 200
	mostBundles  = 8  // of an incident that are read for its timeline
	mostPods     = 20 // whose Events are asked for
	mostSiblings = 50
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

// lookInto reads the evidence of the latest deaths: what was told of the first that has any, and what all tell of time. It returns
// what is to be hidden of that.
func (c *Console) lookInto(ctx context.Context, deaths []history.Death, may Rights, s *story, shown *IncidentPage) (veils []*veil, err error) {
	for i := range deaths {
		d := &deaths[i]
		s.death(d)
		if !d.HasBundle || len(veils) == mostBundles {
			continue
		}
		k, err := c.keptOf(ctx, d.ID, may)
		if err != nil {
			return nil, err
		}
		veils = append(veils, k.veil)
		s.snapshot(k.snapshot, d.Of)
		if t := told(&k, shown.Incident.Rule); t != nil && shown.Told == nil {
			shown.Told, shown.Of, shown.Logs, shown.Siblings = t, d.ID, logsOf(&k, d.Of), siblings(k.snapshot, d.Of)
		}
	}
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

// siblings are the pods of the workload of one, as they were when it was looked at.
func siblings(s *evidence.Snapshot, of evidence.Ref) []Sibling {
	all := []Sibling{}
	for _, pod := range evidence.List[*evidence.Pod](s, s.TopOwner(of)) {
		own := evidence.RefOf(pod) == of.Object()
		sib := Sibling{Name: pod.Name, Node: pod.Spec.NodeName, Phase: string(pod.Status.Phase), Own: own}
		for _, condition := range pod.Status.Conditions {
			sib.Ready = sib.Ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
		}
		for i := range pod.Status.ContainerStatuses {
			sib.Restarts += int(pod.Status.ContainerStatuses[i].RestartCount)
			sib.Image = cmp.Or(sib.Image, pod.Status.ContainerStatuses[i].Image)
		}
		for i := range pod.Status.InitContainerStatuses {
			sib.Restarts += int(pod.Status.InitContainerStatuses[i].RestartCount)
		}
		all = append(all, sib)
	}
	if len(all) < 2 {
		return []Sibling{}
	}
	slices.SortFunc(all, func(a, b Sibling) int {
		return cmp.Or(cmp.Compare(b.Restarts, a.Restarts), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(len(all), mostSiblings)]
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

	Death    Death     `json:"death"`
	Told     *Told     `json:"told,omitempty"`
	Timeline *Timeline `json:"timeline,omitempty"`
	Logs     []Log     `json:"logs"`
	Events   []Event   `json:"events"`
	Siblings []Sibling `json:"siblings"`
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
	shown := DeathPage{Bounds: may.bounds(), Death: deathOf(d), Logs: logsOf(&k, d.Of), Siblings: siblings(k.snapshot, d.Of)}
	rule := ""
	if d.Verdict != nil {
		rule = d.Verdict.Rule
	}
	shown.Told = told(&k, rule)
	s := newStory()
	s.death(&d)
	s.snapshot(k.snapshot, d.Of)
	at := shown.Death.At
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

// export serves an incident with the evidence of its deaths, each in a folder of its own. Deaths with the same evidence share one.
func (c *Console) export(ctx context.Context, r *http.Request, may Rights) (name string, files map[string][]byte, err error) {
	in, err := c.own().Incident(ctx, r.PathValue("id"), may.allowed())
	if err != nil {
		return "", nil, err
	}
	name = "incident-" + in.ID + ".zip"
	if may.All {
		files, err = c.own().Export(ctx, in.ID, nil)
		return name, files, err
	}
	page, err := c.own().Deaths(ctx, history.Filter{Incident: in.ID, Namespaces: may.allowed(), Limit: mostDeaths})
	if err != nil {
		return "", nil, err
	}
	files = map[string][]byte{}
	left := history.MostExported
	for i := range page.Items[:min(len(page.Items), mostExported)] {
		if left < 0 {
			break
		}
		all, err := c.own().Bundle(ctx, page.Items[i].ID, nil)
		if err := ignoreMissing(err); err != nil {
			return "", nil, err
		}
		for path, data := range may.files(all) {
			files[fmt.Sprintf("death-%d/%s", page.Items[i].ID, path)] = data
			left -= len(data)
		}
	}
	shown := may.veilOf(nil).cover(IncidentPage{Bounds: may.bounds(), Incident: incidentOf(in), Deaths: each(page.Items, deathOf)})
	files["incident.json"], err = json.MarshalIndent(shown, "", "  ")
	return name, files, err
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
