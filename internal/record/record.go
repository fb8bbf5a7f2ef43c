// SPDX-License-Identifier: Apache-2.0

// Package record is what a node agent keeps and serves, on disk and on the wire: one entry a line of JSON, in the order in
// which the agent learned of them. An entry is a fact, a run of a container as the runtime tells of it, or a gap: what the
// agent knows that it missed. The agent writes them, package collect reads them, and neither knows the other.
package record

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// An Entry is one thing that an agent learned. Exactly one of Fact, Run, Gap and Log is set; the last in answers only.
type Entry struct {
	Seq    uint64    `json:"seq"`           // rises by one with each entry, over restarts of the agent too; from 1
	At     time.Time `json:"at"`            // when it was learned
	PodUID string    `json:"pod,omitempty"` // of the pod that it is about: names are used again, UIDs are not
	// Names is the namespace of another pod that the fact's text names, or Anybody. Who may not read logs there gets Brief as
	// the text, or nothing where that is empty. Neither is served.
	Names string         `json:"names,omitempty"`
	Brief string         `json:"brief,omitempty"`
	Fact  *evidence.Fact `json:"-"`
	Run   *Run           `json:"run,omitempty"`
	Gap   *Gap           `json:"gap,omitempty"`
	Log   *Log           `json:"log,omitempty"`
}

// A Log is the end of the log of a run, which an answer has where logs are asked for. It is never in the record.
type Log struct {
	Of      evidence.Ref `json:"-"`
	Text    string       `json:"text"`
	Missing string       `json:"missing,omitempty"` // what is not there, in a person's words
}

// Anybody is what Entry.Names says where a text may name processes or pods of any namespace.
const Anybody = "*"

// States of a run, as the runtime tells them (CRI v1 ContainerState).
const (
	Created = "created"
	Running = "running"
	Exited  = "exited"
	Unknown = "unknown"
)

// A Run is one attempt of one container. A later entry about the same ID replaces an earlier one.
type Run struct {
	Of       evidence.Ref `json:"-"`        // with the number of the attempt, which is the restart count that the run had
	ID       string       `json:"id"`       // of the container, 64 hexadecimal digits as a rule
	Sandbox  string       `json:"sandbox"`  // id of the pod's sandbox
	State    string       `json:"state"`    // one of the states above
	Image    string       `json:"image"`    // as asked for
	Digest   string       `json:"digest"`   // what it was resolved to
	Runtime  string       `json:"runtime"`  // name and version: "containerd 2.4.2"
	Created  time.Time    `json:"created"`  // nanoseconds, as everything below
	Started  time.Time    `json:"started"`  // zero: it never started
	Finished time.Time    `json:"finished"` // zero: it has not ended
	ExitCode int          `json:"exitCode"`
	Reason   string       `json:"reason,omitempty"` // empty where that it ended is known, and why is not yet: a later entry says
	Message  string       `json:"message,omitempty"`
	Command  []string     `json:"command,omitempty"`
	Settings []string     `json:"settings,omitempty"` // "GOMEMLIMIT=450MiB": what its environment tells its runtime of heap and threads; none where that is not known
	Mounts   []string     `json:"mounts,omitempty"`   // "host path:container path[:ro]"
	Log      bool         `json:"log,omitempty"`      // the agent keeps a log of this run
}

// NoSettings is the only setting of a run whose environment tells its runtime nothing of heap and threads.
const NoSettings = "none"

// A Gap is what the agent did not see.
type Gap struct {
	About evidence.Ref `json:"-"`     // the node, or the run or pod that it is about
	What  string       `json:"what"`  // the feature: runtime, logs, kernel, signals, usage, record
	From  time.Time    `json:"from"`  // zero: unknown
	To    time.Time    `json:"to"`    //
	Count int64        `json:"count"` // how many things were missed, in Unit; 0: unknown
	Unit  string       `json:"unit"`  // runs, bytes, records
	Why   string       `json:"why"`   // "the agent did not run", "the kernel's ring was overrun"
}

// A Ref is evidence.Ref as JSON.
type Ref struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"`
	Attempt   *int   `json:"attempt,omitempty"`
}

// RefOf makes a Ref for JSON.
func RefOf(r evidence.Ref) Ref {
	m := Ref{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Container: r.Container}
	if r.Attempt != evidence.NoAttempt {
		m.Attempt = &r.Attempt
	}
	return m
}

// Ref is the inverse of RefOf.
func (m Ref) Ref() evidence.Ref {
	r := evidence.RefTo(m.Kind, m.Namespace, m.Name).InContainer(m.Container)
	if m.Attempt != nil {
		r.Attempt = *m.Attempt
	}
	return r
}

// A Line is evidence.Fact as JSON: one line of a bundle's facts.jsonl.
type Line struct {
	Kind   string    `json:"kind"`
	Source string    `json:"source"`
	About  Ref       `json:"about"`
	At     time.Time `json:"at"`
	Where  string    `json:"where"`
	Text   string    `json:"text"`
	Name   string    `json:"name,omitempty"`
	Value  float64   `json:"value,omitempty"`
}

// LineOf makes a Line.
func LineOf(f evidence.Fact) Line {
	return Line{f.Kind.String(), f.Source.String(), RefOf(f.About), f.At, f.Where, f.Text, f.Name, f.Value}
}

// Fact is the inverse of LineOf. It fails for a source that is not known.
func (l Line) Fact() (evidence.Fact, error) {
	source, err := evidence.ParseSource(l.Source)
	if err != nil {
		return evidence.Fact{}, err
	}
	return evidence.Fact{
		Kind: evidence.ParseKind(l.Kind), Source: source, About: l.About.Ref(), At: l.At, Where: l.Where, Text: l.Text, Name: l.Name, Value: l.Value,
	}, nil
}

// plain is an Entry without its methods, with what JSON cannot take from package evidence in its own form.
type plain struct {
	*alias
	FactLine *Line `json:"fact,omitempty"`
	RunOf    *Ref  `json:"runOf,omitempty"`
	GapOf    *Ref  `json:"gapOf,omitempty"`
	LogOf    *Ref  `json:"logOf,omitempty"`
}

type alias Entry

// MarshalJSON writes an entry as one object.
func (e Entry) MarshalJSON() ([]byte, error) {
	p := plain{alias: (*alias)(&e)}
	switch {
	case e.Fact != nil:
		line := LineOf(*e.Fact)
		p.FactLine = &line
	case e.Run != nil:
		of := RefOf(e.Run.Of)
		p.RunOf = &of
	case e.Gap != nil:
		about := RefOf(e.Gap.About)
		p.GapOf = &about
	case e.Log != nil:
		of := RefOf(e.Log.Of)
		p.LogOf = &of
	}
	return json.Marshal(p)
}

// UnmarshalJSON reads an entry.
func (e *Entry) UnmarshalJSON(data []byte) error {
	p := plain{alias: (*alias)(e)}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	if p.FactLine != nil {
		f, err := p.FactLine.Fact()
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		e.Fact = &f
	}
	if e.Run != nil && p.RunOf != nil {
		e.Run.Of = p.RunOf.Ref()
	}
	if e.Gap != nil && p.GapOf != nil {
		e.Gap.About = p.GapOf.Ref()
	}
	if e.Log != nil && p.LogOf != nil {
		e.Log.Of = p.LogOf.Ref()
	}
	return nil
}

// About is the thing that the entry is about.
func (e Entry) About() evidence.Ref {
	switch {
	case e.Fact != nil:
		return e.Fact.About
	case e.Run != nil:
		return e.Run.Of
	case e.Gap != nil:
		return e.Gap.About
	case e.Log != nil:
		return e.Log.Of
	}
	return evidence.Cluster
}
