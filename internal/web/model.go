// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// An Incident is one as pages and the API show it.
type Incident struct {
	ID         string       `json:"id"`
	State      string       `json:"state" jsonschema:"enum=open,enum=quiet,enum=closed"`
	Reopened   int          `json:"reopened"` // how often
	Rule       string       `json:"rule"`     // empty where no rule explains it
	Confidence string       `json:"confidence"`
	Title      string       `json:"title"`
	Thing      report.Thing `json:"thing"`
	First      time.Time    `json:"first"`
	Last       time.Time    `json:"last"`
	Times      int          `json:"times"` // how many runs ended, and pods are stuck
	Pods       int          `json:"pods"`
	Namespaces []string     `json:"namespaces"`
	Nodes      []string     `json:"nodes"`
	Images     []string     `json:"images"`
	Workloads  []string     `json:"workloads"`
}

func incidentOf(in history.Incident) Incident {
	return Incident{
		ID: in.ID, State: in.State.String(), Reopened: in.Reopened, Rule: in.Rule, Confidence: in.Confidence,
		Title: cmp.Or(in.Title, "no rule explains it yet"), Thing: thingOf(in.Thing), First: in.First, Last: in.Last, Times: in.Deaths, Pods: in.Pods,
		Namespaces: full(in.Namespaces), Nodes: full(in.Nodes), Images: full(in.Images), Workloads: full(in.Workloads),
	}
}

// full is the list, which JSON shows as one even where it is empty.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func thingOf(r evidence.Ref) report.Thing {
	t := report.Thing{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Container: r.Container}
	if r.Container != "" && r.Attempt != evidence.NoAttempt {
		t.Attempt = &r.Attempt
	}
	return t
}

// A Death is a run that ended, or a pod that is stuck.
type Death struct {
	ID         int64        `json:"id"`
	Incident   string       `json:"incident"` // empty for none
	Kind       string       `json:"kind" jsonschema:"enum=ended,enum=stuck"`
	Of         report.Thing `json:"of"`
	Workload   report.Thing `json:"workload"`
	Node       string       `json:"node"`
	Image      string       `json:"image"`
	Started    time.Time    `json:"started,omitzero"`
	Finished   time.Time    `json:"finished,omitzero"`
	At         time.Time    `json:"at"` // its end, or when it was seen
	ExitCode   int          `json:"exitCode"`
	Signal     int          `json:"signal"`
	Reason     string       `json:"reason"`
	Exit       string       `json:"exit"`    // how it ended, in a word; empty for what is stuck
	Missing    string       `json:"missing"` // why there is no evidence
	Rule       string       `json:"rule"`
	Confidence string       `json:"confidence"`
	Why        string       `json:"why"`
	Settled    bool         `json:"settled"` // else the verdict is yet to come, or may still change
	HasBundle  bool         `json:"hasBundle"`

	kept history.Death
}

func deathOf(d history.Death) Death {
	shown := Death{
		ID: d.ID, Incident: d.Incident, Kind: "ended", Of: thingOf(d.Of), Workload: thingOf(d.Workload), Node: d.Node, Image: d.Image,
		Started: d.Started, Finished: d.Finished, At: cmp.Or(d.Finished, d.Seen), ExitCode: d.ExitCode, Signal: d.Signal,
		Reason: d.Reason, Missing: d.Missing, Why: d.Missing, HasBundle: d.HasBundle, kept: d,
	}
	switch {
	case d.Kind == history.Stuck:
		shown.Kind = "stuck"
	case d.Missing == "" || !d.Finished.IsZero():
		shown.Exit = exitOf(d.ExitCode, d.Reason)
	}
	if v := d.Verdict; v != nil {
		shown.Rule, shown.Confidence, shown.Why, shown.Settled = v.Rule, v.Confidence, v.Message, v.Settled
	}
	return shown
}

func exitOf(code int, reason string) string {
	if reason != "" {
		return fmt.Sprintf("exit %d, %s", code, reason)
	}
	return fmt.Sprintf("exit %d", code)
}

// What tells what of a death is shown first: its thing with the number of the run, or of a pod that is stuck its name.
func (d Death) What() string {
	if d.Of.Attempt != nil {
		return fmt.Sprintf("%s run %d", d.Of, *d.Of.Attempt+1)
	}
	return d.Of.String()
}

// Ended words the time of a death.
func (d Death) Ended() string {
	if d.Kind == "stuck" {
		return "seen"
	}
	return "ended"
}

// An Event is a Kubernetes Event.
type Event struct {
	About   report.Thing `json:"about"`
	Type    string       `json:"type"`
	Reason  string       `json:"reason"`
	Message string       `json:"message"`
	First   time.Time    `json:"first,omitzero"`
	Last    time.Time    `json:"last"`
	Count   int          `json:"count"`
	From    string       `json:"from"`
}

func eventOf(e history.Event) Event {
	return Event{
		About: thingOf(e.About), Type: e.Type, Reason: e.Reason, Message: e.Message, First: e.First, Last: e.Last, Count: e.Count, From: e.Reporter,
	}
}

// A Cause is what a report tells, with fixes that can be carried out.
type Cause struct {
	Rule       string        `json:"rule"`
	Title      string        `json:"title"`
	About      report.Thing  `json:"about"`
	At         time.Time     `json:"at,omitzero"`
	Confidence string        `json:"confidence"`
	Message    string        `json:"message"`
	Facts      []report.Fact `json:"facts"`
	Against    []report.Fact `json:"against"` // what speaks against it
	Fixes      []Fix         `json:"fixes"`
	Leads      []Cause       `json:"leads"` // what follows from it
	Same       []string      `json:"same"`  // other things of which the same is told
}

// A Fix is one way to remedy a cause.
type Fix struct {
	Title     string `json:"title"`
	Risk      string `json:"risk"`              // the most that it disturbs
	RiskWords string `json:"-"`                 // the same for people
	Command   string `json:"command,omitempty"` // what a person types
	Owned     string `json:"owned,omitempty"`   // who would put it back, where there is no command for that
	Diff      []Line `json:"diff,omitempty"`    // what a patch changes
}

// A Line is one of a log or of a diff.
type Line struct {
	At     string `json:"at,omitempty"` // when it was printed, where the runtime noted that
	Text   string `json:"text"`
	Mark   string `json:"mark,omitempty" jsonschema:"enum=error,enum=cited,enum=add,enum=remove"`
	Number int    `json:"number,omitempty"`
}

// A Told is what was told of a death.
type Told struct {
	Taken        time.Time             `json:"taken"` // when the evidence was read
	Causes       []Cause               `json:"causes"`
	Others       []Cause               `json:"others"` // what else was found then, and is of other incidents
	Undetermined []report.Undetermined `json:"undetermined"`
	Gaps         []report.Gap          `json:"gaps"`
	Skipped      []report.Skip         `json:"skipped"`
}

// A Log is the log of one run.
type Log struct {
	Run     int    `json:"run"` // the restart count that it had
	Name    string `json:"name"`
	Error   string `json:"error,omitempty"`   // the line that says why it ended, as far as the log tells
	Missing string `json:"missing,omitempty"` // what is not in Lines
	Masked  int    `json:"masked"`            // how many parts were masked
	Lines   []Line `json:"lines"`
	Own     bool   `json:"own"` // it is of the run that is asked about, or that a death is of

	Death  int64     `json:"death,omitempty"`  // with which it was captured, on the page of an incident
	At     time.Time `json:"at,omitzero"`      // when that was
	Exit   string    `json:"exit,omitempty"`   // and how it ended
	Unread bool      `json:"unread,omitempty"` // the page of the death has the lines
	Place  int       `json:"-"`                // among those of the death
}

// A Gap is what the watch could not see.
type Gap struct {
	What   string    `json:"what"`
	Things []string  `json:"things"` // where; empty for everywhere
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to,omitzero"` // absent: it lasts
}

// A List is a page of incidents, and what was asked for.
type List struct {
	Bounds

	State     string     `json:"state"`
	Text      string     `json:"text"`
	Rule      string     `json:"rule"`
	Node      string     `json:"node"`
	Image     string     `json:"image"`
	Namespace string     `json:"namespace"` // what of them lies in one
	Since     string     `json:"since"`
	From      time.Time  `json:"from,omitzero"`
	To        time.Time  `json:"to,omitzero"`
	Begin     string     `json:"-"` // From and To as they were asked for
	End       string     `json:"-"`
	Items     []Incident `json:"items"`
	Next      string     `json:"next,omitempty"` // the address of the page behind it
	Sheet     string     `json:"sheet"`          // the address of all of them, a thousand at most, as comma-separated values
	Rules     []RuleLine `json:"rules"`          // rules that match the text
	Searched  bool       `json:"searched"`
}

// A RuleLine names a rule.
type RuleLine struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Effect string `json:"effect"`
}
