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

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// A Now is the first page.
type Now struct {
	Bounds

	Open    []Incident `json:"open"`   // by impact
	More    int        `json:"more"`   // open ones beside those, of the thousand with the latest deaths
	Beyond  bool       `json:"beyond"` // there are open ones beyond that thousand
	Quiet   []Incident `json:"quiet"`
	Changes []Event    `json:"changes"` // of the last hour, the latest first
	Blind   []Gap      `json:"blind"`   // what could not be seen
	Recent  []Death    `json:"recent"`
}

// Total is how many incidents are open, "" for none.
func (n Now) Total() string {
	switch total := len(n.Open) + n.More; {
	case n.Beyond:
		return fmt.Sprintf("%d+", total)
	case total > 0:
		return strconv.Itoa(total)
	}
	return ""
}

const (
	mostOpen    = 100
	mostWeighed = 1000 // open incidents, of which those with the most impact are shown
	mostRecent  = 20
	lately      = time.Hour
	mostEvents  = 1000
	mostChanges = 25
	mostAsked   = 12  // incidents whose latest report is asked for what it could not see,
	mostLatest  = 200 // among so many deaths
)

func (c *Console) now(ctx context.Context, _ *http.Request, may Rights) (any, error) {
	open, err := c.own().Incidents(ctx, history.Filter{States: []history.State{history.StateOpen}, Namespaces: may.allowed(), Limit: mostWeighed})
	if err != nil {
		return nil, err
	}
	quiet, err := c.own().Incidents(ctx, history.Filter{States: []history.State{history.StateQuiet}, Namespaces: may.allowed(), Limit: mostRecent})
	if err != nil {
		return nil, err
	}
	deaths, err := c.own().Deaths(ctx, history.Filter{Namespaces: may.allowed(), Limit: mostRecent})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(open.Items, func(a, b history.Incident) int {
		return cmp.Or(cmp.Compare(b.Pods, a.Pods), cmp.Compare(b.Deaths, a.Deaths))
	})
	shown := open.Items[:min(len(open.Items), mostOpen)]
	now := Now{
		Bounds: may.bounds(), Open: each(shown, incidentOf), More: len(open.Items) - len(shown), Beyond: open.Next != "",
		Quiet: each(quiet.Items, incidentOf), Recent: each(deaths.Items, deathOf),
	}
	if now.Changes, err = c.changes(ctx, may); err != nil {
		return nil, err
	}
	now.Blind, err = c.blind(ctx, may)
	return now, err
}

func each[A, B any](list []A, f func(A) B) []B {
	mapped := make([]B, len(list))
	for i := range list {
		mapped[i] = f(list[i])
	}
	return mapped
}

// changing are the reasons of Events that tell of a change, rather than of trouble with a pod.
var changing = map[string]bool{
	"ScalingReplicaSet": true, "SuccessfulRescale": true, "DeploymentRollback": true, "LeaderElection": true, // controllers
	"NodeReady": true, "NodeNotReady": true, "NodeNotSchedulable": true, "NodeSchedulable": true, "RegisteredNode": true, "RemovingNode": true,
	"Rebooted": true, "NodeHasDiskPressure": true, "NodeHasInsufficientMemory": true, "NodeHasInsufficientPID": true, "DeletingNode": true,
	"TemplateChanged": true, "ReplicasChanged": true, "BoundsChanged": true, "ScheduleChanged": true, "PhaseChanged": true, "ConditionChanged": true, // the recorder
	"Evicted": true, "Preempted": true, "TaintManagerEviction": true, "Resized": true, "ExternalProvisioning": true, "VolumeResizeSuccessful": true,
}

// isChange tells whether an Event tells of a change. A kubelet that starts says "Starting" of its node.
func isChange(e *history.Event) bool {
	return changing[e.Reason] || e.Reason == "Starting" && e.About.Kind == "Node" && e.Reporter == "kubelet"
}

// changes are what the Events of the last hour tell of changes, however many tell of trouble.
func (c *Console) changes(ctx context.Context, may Rights) ([]Event, error) {
	reasons := append(slices.Sorted(maps.Keys(changing)), "Starting")
	events, err := c.own().EventsOf(ctx, "", evidence.Ref{}, c.Now().Add(-lately), time.Time{}, may.allowed(), mostEvents, reasons...)
	if err != nil {
		return nil, err
	}
	all := latestChanges(events)
	slices.SortStableFunc(all, func(a, b Event) int { return b.Last.Compare(a.Last) })
	return all[:min(len(all), mostChanges)], nil
}

// latestChanges are the changes among Events, each kind of each thing once: the latest, with how often it was.
func latestChanges(events []history.Event) []Event {
	all := []Event{}
	at := map[string]int{}
	for i := range events { // oldest first
		if !isChange(&events[i]) {
			continue
		}
		e := eventOf(events[i])
		key := e.Reason + "\x00" + e.About.Namespace + "\x00" + e.About.String()
		if n, known := at[key]; known {
			e.Count, e.First = e.Count+all[n].Count, all[n].First
			all[n] = e
			continue
		}
		at[key] = len(all)
		all = append(all, e)
	}
	return all
}

// blind is what cannot be seen: by the watch, by who looks at all nodes, and by whatever looked at what died last.
func (c *Console) blind(ctx context.Context, may Rights) ([]Gap, error) {
	all, _, err := c.gapsIn(ctx, "", c.Now().Add(-lately), time.Time{}, may)
	if err != nil {
		return nil, err
	}
	all = all[:min(len(all), mostRecent)]
	at := map[string]int{}
	all = c.hidden(ctx, all, at, may)
	deaths, err := c.own().Deaths(ctx, history.Filter{Namespaces: may.allowed(), Limit: mostLatest})
	if err != nil {
		return nil, err
	}
	for _, d := range latestOf(deaths.Items) {
		told, err := c.report(ctx, d.ID, may)
		if err := ignoreMissing(err); err != nil {
			return nil, err
		}
		for _, g := range told.Gaps {
			if g.Kind != evidence.Control.String() { // nobody looks at the control plane because something died
				all = addGap(all, at, g)
			}
		}
	}
	return all, nil
}

// addGap notes a gap of a node, a namespace or the cluster; those of the same kind together. What one thing lacks, its page tells.
func addGap(all []Gap, at map[string]int, g report.Gap) []Gap {
	if g.About.Kind != "" && g.About.Kind != "Node" && g.About.Kind != "Namespace" {
		return all
	}
	i, known := at[g.Kind+g.Why]
	if !known {
		i = len(all)
		at[g.Kind+g.Why] = i
		all = append(all, Gap{What: g.Kind + ": " + g.Why, Things: []string{}})
	}
	if where := placeOf(g.About); where != "" && !slices.Contains(all[i].Things, where) {
		all[i].Things = append(all[i].Things, where)
	}
	return all
}

func placeOf(t report.Thing) string {
	if t.Kind == "" {
		return ""
	}
	return t.String()
}

// latestOf returns of each of a few incidents the latest death of which there is settled evidence.
func latestOf(deaths []history.Death) []history.Death {
	seen := map[string]bool{}
	var some []history.Death
	for _, d := range deaths {
		if d.HasBundle && d.Verdict != nil && d.Verdict.Settled && !seen[d.Incident] && len(some) < mostAsked {
			seen[d.Incident] = true
			some = append(some, d)
		}
	}
	return some
}
