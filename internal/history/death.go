// SPDX-License-Identifier: Apache-2.0

package history

import (
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Kind says what sort of death is meant.
type Kind int64

// The kinds of death.
const (
	Died  Kind = iota // a run of a container ended
	Stuck             // a pod does not start, was evicted or does not end, a node is in trouble, or a workload gets no pods; its attempt is evidence.NoAttempt
)

// A Death is one run that ended, or a pod that is stuck. Cluster, PodUID, the container and attempt of Of, and Kind are
// its key: recording it twice is recording it once.
type Death struct {
	Cluster   string // UID of the namespace kube-system
	Kind      Kind
	PodUID    string
	Of        evidence.Ref
	Base      int          // how many runs of its container had ended when its restart count last fell; the attempt counts them
	Workload  evidence.Ref // what owns the pod in the end; zero for a pod of its own
	Node      string
	Image     string
	Started   time.Time
	Finished  time.Time
	Seen      time.Time // when the recorder learned of it; now where it is zero
	ExitCode  int
	Signal    int
	Reason    string
	Missing   string   // why there is no evidence: such a death is counted and belongs to no incident
	Verdict   *Verdict // nil as long as there is none
	ID        int64    // given by the store
	Incident  string   // the incident it belongs to, given by the store; empty for none
	HasBundle bool     // whether there is a bundle to be had, told by the store
}

// A Verdict is what was told of a death. A provisional one is replaced by what comes after it; a settled one stays,
// that of a stuck pod apart, which may be stuck for another reason later, and where one revises it that more was looked at for.
type Verdict struct {
	Rule       string // "" for a death that no rule explains
	Confidence string // certain, likely or possible
	Message    string
	Names      []evidence.Ref `json:"-"` // what Message names in namespaces, by namespace and name; without a name where that is not known
	Thing      evidence.Ref   // what the rule is about; with cluster and rule, this is what an incident is
	Settled    bool
	Revised    bool              // it takes the place of one that is settled; not kept
	Report     []byte            // JSON, as it was told; a verdict without report and bundle leaves those that were there
	Version    string            // of the program that told it
	Bundle     map[string][]byte // files by path, each kept once by its content
}

// rank orders what is known of a death; what is known better replaces what is known less well.
func (d Death) rank() int64 {
	switch {
	case d.Verdict != nil && d.Verdict.Settled:
		return settled
	case d.Verdict != nil:
		return provisional
	case d.Missing != "":
		return counted
	}
	return silent
}

// The ranks.
const (
	counted int64 = iota
	silent
	provisional
	settled
)

// at is the moment that places a death in time: its end, or when it was seen.
func (d Death) at() int64 {
	if !d.Finished.IsZero() {
		return micros(d.Finished)
	}
	return micros(d.Seen)
}

// An Incident is deaths with one cause: one rule about one thing, within one window.
type Incident struct {
	ID         string // short, stable, fit for a URL
	Cluster    string
	Rule       string
	Thing      evidence.Ref // without name for whoever may not see its namespace
	State      State
	Reopened   int // how often
	First      time.Time
	Last       time.Time
	Deaths     int
	Pods       int
	Confidence string // the least sure of its deaths
	Title      string
	Names      []evidence.Ref `json:"-"` // what Title names, as that of a Verdict
	Namespaces []string       // those that the asker may see
	Nodes      []string       // at most 64 of each namespace, as the other lists
	Images     []string
	Workloads  []string // "Deployment/web"
}

// A State says how alive an incident is.
type State int64

// The states of an incident.
const (
	StateOpen   State = iota // deaths within the window
	StateQuiet               // none within the window
	StateClosed              // none for long; a new death reopens it within a day
)

// String returns the state as people read it.
func (s State) String() string {
	return [...]string{"open", "quiet", "closed"}[min(max(s, StateOpen), StateClosed)]
}

// An Event is a Kubernetes Event with the UID of the Event itself.
type Event struct {
	Cluster, ID string
	evidence.Event
}

// A Gap is what the watch could not see. An ongoing one has no end; telling of it again with an end ends it.
type Gap struct {
	Cluster   string
	Namespace string // "" for all
	From, To  time.Time
	What      string
}

// A Last is the last run of a container of a live pod that was seen to end.
type Last struct {
	PodUID    string
	Of        evidence.Ref // with its attempt
	Base      int          // as that of its death
	Finished  time.Time    // of its death; zero where there is none, or none with a time
	Workload  evidence.Ref
	Unsettled bool // a death of it has no settled verdict yet
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
