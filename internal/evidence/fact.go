// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Source says who made an observation. Its order is the order of trust: anyone can print a line, an editor of a
// namespace can write an Event, only the kubelet writes the status, and nobody argues with the kernel.
type Source uint8

// The sources, least trusted first. FromSpec is what somebody asked for, which proves nothing about what happened.
const (
	FromSpec Source = iota
	FromLog
	FromMetric
	FromEvent
	FromStatus
	FromKubelet
	FromRuntime
	FromKernel
)

var sourceNames = []string{"spec", "log", "metric", "event", "status", "kubelet", "runtime", "kernel"}

// String returns the name of the source as reports print it.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "unknown"
}

// ParseSource is the inverse of String.
func ParseSource(name string) (Source, error) {
	if i := slices.Index(sourceNames, name); i >= 0 {
		return Source(i), nil
	}
	return 0, fmt.Errorf("unknown source %q, expected one of %s", name, strings.Join(sourceNames, ", "))
}

// A Fact is one observation: the unit a finding cites and a timeline is made of.
type Fact struct {
	Kind   Kind      // exactly one kind
	Source Source    // who said so
	About  Ref       // the thing that was observed
	At     time.Time // when it happened, not when it was collected; zero for what has no time, as a field of a spec
	Where  string    // where to look again: a field path of About's object, "events", "log"
	Text   string    // the observation in the words of the source: "exitCode 137, reason OOMKilled"
	Name   string    // of a fact without an object: the metric or the sort of record, "oom-kill"; rules tell them by it
	Value  float64   // of a metric, in its base unit: bytes, seconds, a ratio
}

// A Gap is evidence that could not be had, so that silence is never read as health.
type Gap struct {
	Kind  Kind
	About Ref    // zero: the whole cluster
	Why   string // "forbidden: cannot list events in namespace shop", "no node agent", "expired: …"
}
