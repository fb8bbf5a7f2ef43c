// SPDX-License-Identifier: Apache-2.0

//go:generate go test -run ^TestSchemaIsCurrent$ -update .

// Package report shows what was found out: to people as text or Markdown, to programs as JSON or YAML.
//
// New turns the engine's answer into a Report, the value that every form is made from. A Report keeps text from the
// cluster as it was; each form escapes it for where it goes, because whoever can write a log line or an Event would
// otherwise write to the reader's terminal. Nothing here does I/O or asks the clock: times are told relative to when
// the evidence was taken, so that a recorded incident reads the same for ever.
package report

import (
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// APIVersion is the version of the JSON and YAML form. Within it fields are added, never renamed or removed.
const APIVersion = "kubeinquest.io/v1alpha1"

// A Report is the answer to one question. Lists keep the order of the engine, which is the same for the same
// evidence. Times are RFC 3339 in UTC.
type Report struct {
	APIVersion   string         `json:"apiVersion" jsonschema:"enum=kubeinquest.io/v1alpha1"`
	Kind         string         `json:"kind" jsonschema:"enum=Report"`
	Taken        time.Time      `json:"taken"`              // when the evidence was read; every age is relative to it
	Subject      Thing          `json:"subject,omitzero"`   // what was asked about; absent: the whole cluster
	Pods         int            `json:"pods"`               // how many pods were looked at
	Causes       []Cause        `json:"causes"`             // surest first
	Undetermined []Undetermined `json:"undetermined"`       // deaths that no finding explains well enough, and pods in trouble that none is about
	Skipped      []Skip         `json:"skipped"`            // rules that could not be applied
	Gaps         []Gap          `json:"gaps"`               // evidence that could not be had
	Measured     []Fact         `json:"measured,omitempty"` // of a control plane that was asked about: its figures, well or not
}

// A List holds the reports of several questions, in the order they were asked.
type List struct {
	APIVersion string   `json:"apiVersion" jsonschema:"enum=kubeinquest.io/v1alpha1"`
	Kind       string   `json:"kind" jsonschema:"enum=ReportList"`
	Items      []Report `json:"items"`
}

// A Thing names an object, a container of a pod, or one run of a container.
type Thing struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"`
	Attempt   *int   `json:"attempt,omitempty"` // the restart count that the run had, from 0; absent unless one run is meant
}

// A Cause is one rule's claim about one thing, with what supports it and what follows from it.
type Cause struct {
	Rule       string    `json:"rule"`           // the id that inquest explain takes
	Title      string    `json:"title"`          // of the rule
	Effect     string    `json:"effect"`         // the kind of thing that happened
	About      Thing     `json:"about,omitzero"` // absent: the whole cluster
	At         time.Time `json:"at"`             // when it began
	Confidence string    `json:"confidence" jsonschema:"enum=certain,enum=likely,enum=possible"`
	Message    string    `json:"message"`         // one sentence
	Facts      []Fact    `json:"facts"`           // what supports it: never empty
	Against    []Fact    `json:"against"`         // what speaks against it
	Fixes      []Fix     `json:"fixes"`           // alternatives, best first
	Leads      []Cause   `json:"leads,omitempty"` // the findings that this one explains
}

// A Fact is one observation, in the words of its source.
type Fact struct {
	Source string    `json:"source" jsonschema:"enum=kernel,enum=runtime,enum=kubelet,enum=status,enum=event,enum=metric,enum=log,enum=spec"`
	At     time.Time `json:"at,omitzero"` // absent for what has no time, as a field of a spec
	Where  string    `json:"where"`       // where to look again: a field path of the thing, "events", "log"
	Text   string    `json:"text"`
	About  Thing     `json:"about,omitzero"` // the thing that was observed
}

// A Fix is one way to remedy a cause. Command and patch are alternatives; without either only a person can do it.
type Fix struct {
	Title   string `json:"title"`
	Risk    string `json:"risk" jsonschema:"enum=advice,enum=restart,enum=evict,enum=node-restart"` // the most that it disturbs
	Command string `json:"command,omitempty"`
	Patch   *Patch `json:"patch,omitempty"`
	Owner   string `json:"owner,omitempty"` // who would put back what the patch changes, as far as the object tells
}

// A Patch changes one object.
type Patch struct {
	Target Thing  `json:"target"`
	Type   string `json:"type" jsonschema:"enum=strategic,enum=json"` // as kubectl patch --type takes it
	Data   string `json:"data"`                                       // JSON
}

// An Undetermined is a death without an explanation, and the evidence that would settle it; or a pod in trouble that no
// rule recognises.
type Undetermined struct {
	About     Thing     `json:"about"`
	At        time.Time `json:"at,omitzero"`
	Message   string    `json:"message"`
	SettledBy []string  `json:"settledBy"`
}

// A Skip is a rule that could not be applied to a thing.
type Skip struct {
	Rule    string   `json:"rule"`
	About   Thing    `json:"about,omitzero"` // absent: the whole cluster
	Missing []string `json:"missing"`        // the kinds of evidence it needs; empty when the rule is broken
	Why     string   `json:"why"`
}

// A Gap is evidence that could not be had.
type Gap struct {
	Kind  string `json:"kind"`
	About Thing  `json:"about,omitzero"` // absent: the whole cluster
	Why   string `json:"why"`
}

// New returns the report of a diagnosis.
func New(d *diagnosis.Report) Report {
	r := Report{
		APIVersion: APIVersion, Kind: "Report",
		Taken: d.Taken.UTC(), Subject: ThingOf(d.Subject), Pods: d.Asked,
		Causes:       each(d.Causes, newCause),
		Undetermined: each(d.Undetermined, newUndetermined),
		Skipped:      each(d.Skipped, newSkip),
		Gaps:         each(d.Gaps, newGap),
	}
	if len(d.Measured) > 0 {
		r.Measured = each(d.Measured, newFact)
	}
	return r
}

// each maps a list; the result is never nil, so that it is written as [] and not as null.
func each[A, B any](list []A, f func(*A) B) []B {
	mapped := make([]B, 0, len(list))
	for i := range list {
		mapped = append(mapped, f(&list[i]))
	}
	return mapped
}

// ThingOf names a thing as reports do.
func ThingOf(r evidence.Ref) Thing {
	t := Thing{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Container: r.Container}
	if r.Container != "" && r.Attempt != evidence.NoAttempt {
		t.Attempt = &r.Attempt
	}
	return t
}

func newCause(c *diagnosis.Cause) Cause {
	return Cause{
		Rule: c.Rule.ID, Title: c.Rule.Title, Effect: string(c.Rule.Effect),
		About: ThingOf(c.About), At: c.At.UTC(), Confidence: c.Confidence.String(), Message: c.Message,
		Facts: each(c.Facts, newFact), Against: each(c.Against, newFact), Fixes: each(c.Fixes, NewFix),
		Leads: each(c.Leads, newCause),
	}
}

func newFact(f *evidence.Fact) Fact {
	return Fact{Source: f.Source.String(), At: f.At.UTC(), Where: f.Where, Text: f.Text, About: ThingOf(f.About)}
}

// NewFix returns a fix as it is shown.
func NewFix(f *diagnosis.Fix) Fix {
	fix := Fix{Title: f.Title, Risk: f.Risk.String(), Command: harmless(f.Command)}
	if f.Patch != nil {
		fix.Patch = &Patch{Target: ThingOf(f.Patch.Target), Type: string(f.Patch.Type), Data: f.Patch.Data}
	}
	return fix
}

func newUndetermined(u *diagnosis.Undetermined) Undetermined {
	return Undetermined{
		About: ThingOf(u.About), At: u.At.UTC(), Message: u.Message,
		SettledBy: each(u.SettledBy, func(s *string) string { return *s }),
	}
}

func newSkip(s *diagnosis.Skip) Skip {
	return Skip{
		Rule: s.Rule.ID, About: ThingOf(s.About), Why: s.Why,
		Missing: each(s.Missing.Kinds(), func(k *evidence.Kind) string { return k.String() }),
	}
}

func newGap(g *evidence.Gap) Gap {
	return Gap{Kind: g.Kind.String(), About: ThingOf(g.About), Why: g.Why}
}

// String returns kubectl's form of the name with the container in brackets: "web-0[app]" for a container of a pod,
// "pod/web-0", "node/n1"; "cluster" for the whole cluster.
func (t Thing) String() string {
	switch {
	case t.Kind == "":
		return "cluster"
	case t.Container != "":
		return t.Name + "[" + t.Container + "]"
	}
	return t.typeName()
}

// typeName returns kubectl's TYPE/NAME of the object.
func (t Thing) typeName() string { return strings.ToLower(t.Kind) + "/" + t.Name }

// within names the thing to a reader who takes names to be in the namespace home.
func (t Thing) within(home string) string {
	if t.Namespace == "" || t.Namespace == home {
		return t.String()
	}
	return t.String() + " in " + t.Namespace
}

// home returns the namespace that the names in a report are taken to be in: that of what was asked about.
func home(subject Thing) string {
	if subject.Kind == "Namespace" {
		return subject.Name
	}
	return subject.Namespace
}

// place says where a fact can be seen again, to a reader of what is said of a thing. That an Event is among the events
// and a line in the log goes without saying.
func (f *Fact) place(about Thing, home string) string {
	where := f.Where
	if where == "events" || where == "log" {
		where = ""
	}
	if f.About.Kind == about.Kind && f.About.Name == about.Name && f.About.Namespace == about.Namespace || f.About.Kind == "" {
		return where
	}
	return strings.TrimSpace(f.About.within(home) + " " + where)
}
