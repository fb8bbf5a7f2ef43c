// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A Level is how much of something the node has left.
type Level struct {
	Name  string    `json:"name"`         // "usage.memory", "disk.space": as in facts
	Of    string    `json:"of,omitempty"` // which one, where there are several: "nodefs", "sda"
	Used  float64   `json:"used"`         // bytes, processors, a number of things, a percentage, seconds
	Limit float64   `json:"limit"`        // of the same; 0: there is none
	Mark  float64   `json:"mark"`         // of the same, from which on it is told; 0: it is never told
	Over  bool      `json:"over"`         // the mark is passed
	Since time.Time `json:"since"`        // when it passed the mark, or came back; zero: it never did
	Text  string    `json:"text"`         // in the words of the source
	Most  []string  `json:"most,omitempty"`
}

const (
	steady  = 2    // readings in a row that must be beyond the mark, or back, before it is told
	comeway = 0.95 // of the mark below which it counts as back
)

// A standing is what was told of a level.
type standing struct {
	over  bool
	since time.Time
	turns int // readings in a row that say otherwise
	seen  time.Time
}

// forgotten is how long a level that is not read any more is remembered: disks come and go.
const forgotten = time.Hour

// turn takes in a reading, and tells whether the mark was passed just now, one way or the other.
func (s *standing) turn(l *Level, now time.Time) bool {
	if l.Mark <= 0 {
		return false
	}
	over := l.Used >= l.Mark || s.over && l.Used >= comeway*l.Mark
	if over == s.over {
		s.turns = 0
		return false
	}
	if s.turns++; s.turns < steady {
		return false
	}
	s.over, s.since, s.turns = over, now, 0
	return true
}

// fact tells that a level passed its mark, or came back.
func (l *Level) fact(node evidence.Ref, at time.Time) evidence.Fact {
	name, words := "eased."+l.Name, "back below its mark"
	if l.Over {
		name, words = "saturated."+l.Name, "beyond its mark"
	}
	text := fmt.Sprintf("%s, %s of %.4g", l.String(), words, l.Mark)
	if len(l.Most) > 0 {
		text += "; most by " + strings.Join(l.Most, ", ")
	}
	return evidence.Fact{
		Kind: evidence.Usage, Source: evidence.FromMetric, About: node, At: at.UTC(), Where: "proc", Name: name, Text: text, Value: l.Used,
	}
}

// entry is that fact. Who uses most is told to those who may see all pods.
func (l *Level) entry(node evidence.Ref, at time.Time) record.Entry {
	f := l.fact(node, at)
	e := record.Entry{Fact: &f}
	if len(l.Most) > 0 {
		plain := *l
		plain.Most = nil
		e.Names, e.Brief = record.Anybody, plain.fact(node, at).Text
	}
	return e
}

// String is one line.
func (l *Level) String() string {
	if l.Of == "" {
		return l.Name + ": " + l.Text
	}
	return l.Name + " of " + l.Of + ": " + l.Text
}

// Saturation is what the node had left when it was last looked at.
func (r *Reader) Saturation() []Level {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.machine == nil {
		return nil
	}
	return append([]Level(nil), r.machine.levels...)
}
