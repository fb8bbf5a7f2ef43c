// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A rank says how much of an object a form of text tells: of two tellings of one object the higher is kept.
type rank uint8

const (
	guessed   rank = iota // that it exists, because something else named it
	tabled                // a row of kubectl get
	summed                // a summary by another tool
	described             // kubectl describe
	whole                 // the object itself
)

// A found is an object as one text tells it, with the kinds of evidence that this text has about it.
type found struct {
	object evidence.Object
	rank   rank
	kinds  evidence.Kind
}

// A part is what one text says. Ages in it are kept as ages until the moment at which it was printed is known.
type part struct {
	objects []found
	events  []textEvent
	ages    []aged
	anchors []anchor
	newest  time.Time // the newest absolute time in it, which is not after the moment at which it was printed
	usage   []textUsage
	notices []notice
	wide    bool // it lists Events of more than one object, so that an object without any had none
}

// An aged is a moment that the text gives by how long ago it was.
type aged struct {
	age time.Duration
	set func(time.Time)
}

// An anchor is a moment that the text gives twice, as a time and as an age, so that their sum is when it was printed,
// give or take what the age is rounded down by.
type anchor struct {
	taken time.Time
	off   time.Duration
}

// A notice tells of text that could not be used.
type notice struct {
	line int // 0: all of it
	text string
}

// A textEvent is an Event with ages for times.
type textEvent struct {
	about       evidence.Ref
	kind        string // Normal or Warning
	reason      string
	message     string
	reporter    string
	host        string
	first, last age
	count       int
	at, began   time.Time // where a summary gives times
}

// A textUsage is a row of kubectl top.
type textUsage struct {
	about   evidence.Ref // a node, a pod, or a container
	amounts corev1.ResourceList
}

// mostTextEvents bounds the Events kept of all texts together; beyond twice that the oldest Normal ones go first.
const mostTextEvents = 30_000

func (p *part) add(o evidence.Object, r rank, kinds evidence.Kind) {
	p.objects = append(p.objects, found{o, r, kinds})
}

// ago has set called with the moment that was an age before the text was printed.
func (p *part) ago(a age, set func(time.Time)) {
	if a.known {
		p.ages = append(p.ages, aged{a.d, set})
	}
}

// saw notes an absolute time. Zero times and those that the kubelet writes for "never" are none.
func (p *part) saw(t time.Time) time.Time {
	if t.Unix() > 0 && t.After(p.newest) {
		p.newest = t
	}
	return t
}

// pin notes a moment that is known both as a time and as an age.
func (p *part) pin(t time.Time, a age) {
	if a.known && t.Unix() > 0 {
		p.anchors = append(p.anchors, anchor{t.Add(a.d), a.unit})
	}
}

func (p *part) notice(line int, text string) {
	if len(p.notices) < mostNotices {
		p.notices = append(p.notices, notice{line, text})
	}
}

// event adds an Event, and forgets the least telling ones where there are too many.
func (p *part) event(e textEvent) {
	p.events = append(p.events, e)
	if len(p.events) >= 2*mostTextEvents {
		p.events = mostTelling(p.events)
		p.notice(0, "more Events than are kept: of the Normal ones only the newest are used")
	}
}

// mostTelling returns the newest warnings, then the newest others, up to the number that is kept.
func mostTelling(events []textEvent) []textEvent {
	slices.SortStableFunc(events, func(a, b textEvent) int {
		return cmp.Or(-cmp.Compare(a.kind, b.kind), -a.at.Compare(b.at), cmp.Compare(a.last.d, b.last.d))
	})
	kept := slices.Clone(events[:min(len(events), mostTextEvents)])
	return kept
}

// clock returns when the text was printed as well as the text tells it: by the closest anchor, never before the newest
// time in it. It is zero where nothing tells.
func (p *part) clock() time.Time {
	var best anchor
	for _, a := range p.anchors {
		if best.taken.IsZero() || a.off < best.off || a.off == best.off && a.taken.After(best.taken) {
			best = a
		}
	}
	if best.taken.After(p.newest) {
		return best.taken
	}
	return p.newest
}

// settle turns ages into times.
func (p *part) settle(taken time.Time) {
	for _, a := range p.ages {
		a.set(taken.Add(-a.age))
	}
	p.ages = nil
}
