// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise/probe"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Recording is what starts of a workload were in a cluster: a line of JSON that says what it is, and one for each attempt.
type Recording struct {
	Origin   string    // the cluster, with its version of Kubernetes
	Recorded time.Time // when the evidence was collected
	Name     string
	Args     []string // of the program
	CPU      string   `json:",omitempty"` // its limit
	Startup  *corev1.Probe
	Liveness *corev1.Probe
	Ready    *corev1.Probe
	Attempts []Attempt `json:"-"`
}

// An Attempt is what the evidence says of one, as probe.Start has it, and when the program itself says that it listens.
type Attempt struct {
	Pod       string // its name
	Number    int
	Began     time.Time
	Lives     span
	Ready     span
	Lived     span
	Ended     bool             `json:",omitempty"`
	By        evidence.Orderer `json:",omitempty"`
	Pauses    [][2]span        `json:",omitempty"`
	Silent    bool             `json:",omitempty"`
	Throttled float64          `json:",omitempty"`
	Listens   span             // since it began by the kubelet, which knows whole seconds; never: it does not say so, or what it said is gone
}

// A span is a time in a file: "1.5s", or "never".
type span time.Duration

// MarshalText writes it.
func (s span) MarshalText() ([]byte, error) {
	if time.Duration(s) == probe.Never {
		return []byte("never"), nil
	}
	return []byte(time.Duration(s).String()), nil
}

// UnmarshalText reads it.
func (s *span) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*s = span(probe.Never)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	*s = span(d)
	return err
}

// Add adds an attempt, with when the program says that it listens.
func (r *Recording) Add(s probe.Start, listens time.Duration) {
	a := Attempt{
		Pod: s.Of.Name, Number: s.Of.Attempt, Began: s.Began.UTC(), Lives: span(s.Lives), Ready: span(s.Ready), Lived: span(s.Lived),
		Ended: s.Ended, By: s.By, Silent: s.Silent, Throttled: s.Throttled, Listens: span(listens),
	}
	for _, p := range s.Pauses {
		a.Pauses = append(a.Pauses, [2]span{span(p.From), span(p.To)})
	}
	r.Attempts = append(r.Attempts, a)
}

// Write writes a recording.
func (r *Recording) Write(w io.Writer) error {
	to := json.NewEncoder(w)
	err := to.Encode(r)
	for i := range r.Attempts {
		err = errors.Join(err, to.Encode(r.Attempts[i]))
	}
	return err
}

// ReadRecording reads what Write wrote.
func ReadRecording(from io.Reader) (Recording, error) {
	var r Recording
	lines := json.NewDecoder(from)
	lines.DisallowUnknownFields()
	err := lines.Decode(&r)
	for err == nil {
		var a Attempt
		if err = lines.Decode(&a); err == nil {
			r.Attempts = append(r.Attempts, a)
		}
	}
	if errors.Is(err, io.EOF) && len(r.Attempts) > 0 {
		return r, nil
	}
	return r, fmt.Errorf("read recording %s: %w", r.Name, err)
}

// known tells whether the evidence and the program itself say how long an attempt took.
func (a *Attempt) known() bool {
	return time.Duration(a.Lives) != probe.Never && time.Duration(a.Listens) != probe.Never
}

// Known is the number of attempts of which it is known how long they took, from the evidence and from themselves.
func (r *Recording) Known() (n int) {
	for _, a := range r.Attempts {
		if a.known() {
			n++
		}
	}
	return n
}
