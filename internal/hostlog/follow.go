// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// window is how long the bounds of each sort hold for one who follows a log; one who parses a text has one for the whole.
	window = time.Minute
	// longest is how long a report of several lines may go on while other records keep coming.
	longest = 2 * time.Second
	// mostRead is how many lines of a second are looked at closely. A log that has more of them that look like trouble is
	// a flood, of which the first ones tell the sort.
	mostRead = 2000
)

// A Follower reads the log of one node line by line, and hands out a fact as soon as it is complete. A report of several
// lines and a kill for want of memory end with the next record that does not belong to them, or with a quiet moment. Of
// each sort of record it hands out a bounded number in each minute: the first ones, and when the minute is over the last
// one, which says how many there were before it. It is not safe for concurrent use.
type Follower struct {
	node    string
	follows bool
	taken   time.Time
	host    string    // as the first line that has one names it
	epoch   time.Time // the time of boot, once a line tells both clocks

	out   []record
	count map[string]int    // records of each sort in this window
	held  map[string]record // the newest of a sort of which there were enough
	since time.Time         // when the window began
	seq   int
	open  *trace // the report of several lines that is being read
	oom   oomReader

	until   time.Time // when what is being read is complete at the latest; zero: nothing is
	second  time.Time // in which so many lines were looked at
	read    int
	skipped int64
}

// A Record is a fact, and for a kill the control group that the kernel said the process was in: what is to be known of
// it is not to be read from the text, to which processes add their names.
type Record struct {
	evidence.Fact
	Group string
}

// A record is a Record with its place in the log.
type record struct {
	seq int
	Record
}

// Follow returns a follower of the log of a node. An empty name is that of the host that the log names, or "node".
func Follow(node string) *Follower { return &Follower{node: node, follows: true} }

// Add takes the next line, in any of the forms in which a node's log comes, at the time given.
func (p *Follower) Add(line string, taken time.Time) {
	p.taken = taken.UTC()
	p.pass(p.taken)
	p.line(cutLine(line))
}

// Kernel takes the next record of the kernel without what comes before its text, with the time at which it was written.
func (p *Follower) Kernel(text []byte, at time.Time) {
	p.pass(at)
	if reads(p, text) {
		p.take(hostLine{at: at, from: "kernel", text: cutLine(string(text))})
	}
}

// Program takes the next record of a program of the node, by its name, without what a log puts before its text, at the
// time at which it was written.
func (p *Follower) Program(from, text string, at time.Time) {
	p.pass(at)
	l := hostLine{at: at, from: program(from), text: cutLine(text)}
	if reads(p, l.text) {
		p.inner(&l)
		p.take(l)
	}
}

// Quiet is told when nothing has come for a second: what is being read is complete.
func (p *Follower) Quiet(now time.Time) {
	p.finish()
	p.oom.columns = nil
	p.pass(now)
}

// Pending tells whether something is being read that is not complete.
func (p *Follower) Pending() bool { return p.open != nil || p.oom.pending }

// Holds tells whether there will be something to hand out even if no line comes.
func (p *Follower) Holds() bool { return p.Pending() || len(p.held) > 0 }

// End is told when nothing more will come: everything is complete.
func (p *Follower) End() {
	p.finish()
	p.turn()
}

// Skipped returns how many lines were not looked at, because there were too many that look like trouble.
func (p *Follower) Skipped() int64 { return p.skipped }

// Records hands out what is complete, in the order in which it became so. Each is handed out once.
func (p *Follower) Records() []Record {
	if len(p.out) == 0 {
		return nil
	}
	about := evidence.RefTo("Node", "", cmp.Or(p.node, p.host, "node"))
	list := make([]Record, 0, len(p.out))
	for _, r := range p.out {
		r.About = about
		list = append(list, r.Record)
	}
	p.out = p.out[:0]
	return list
}

// Facts is Records without the groups.
func (p *Follower) Facts() []evidence.Fact {
	list := p.Records()
	facts := make([]evidence.Fact, 0, len(list))
	for _, r := range list {
		facts = append(facts, r.Fact)
	}
	return facts
}

// finish ends what is being read.
func (p *Follower) finish() {
	p.close()
	p.oom.flush(p)
}

// pass lets time go on: what has been open for too long is complete, and with the minute its bounds are over.
func (p *Follower) pass(now time.Time) {
	if !p.follows || now.IsZero() {
		return
	}
	switch {
	case !p.Pending():
		p.until = time.Time{}
	case p.until.IsZero():
		p.until = now.Add(longest)
	case now.After(p.until):
		p.finish()
	}
	if now.Sub(p.second) >= time.Second || now.Before(p.second) {
		p.second, p.read = now, 0
	}
	switch {
	case p.since.IsZero():
		p.since = now
	case now.Sub(p.since) >= window:
		p.turn()
		p.since = now
	}
}

// turn ends a window: it lets go of what was held back.
func (p *Follower) turn() {
	list := make([]record, 0, len(p.held))
	for name, r := range p.held {
		if n := p.count[name] - mostOf(name); n > 0 {
			r.Text += fmt.Sprintf(" (and %d more before it)", n)
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b record) int { return cmp.Compare(a.seq, b.seq) })
	p.out = append(p.out, list...)
	clear(p.held)
	clear(p.count)
}

// mostOf is how many records of a sort are kept of a window.
func mostOf(name string) int {
	if name == "oom-task" {
		return mostOfASort * mostTasks
	}
	return mostOfASort
}

// add keeps a record, unless there are enough of its sort: then it takes the place of the newest.
func (p *Follower) add(name string, source evidence.Source, at time.Time, where, text string) {
	if p.count == nil {
		p.count, p.held = map[string]int{}, map[string]record{}
	}
	p.seq++
	most, group := maxFactText, ""
	if name == "oom-kill" {
		most, group = maxKillText, p.oom.group
	}
	text = shortenTo(text, most)
	r := record{p.seq, Record{evidence.Fact{Kind: evidence.Host, Source: source, At: at.UTC(), Where: where, Name: name, Text: text}, group}}
	if p.count[name]++; p.count[name] < mostOf(name) {
		p.out = append(p.out, r)
	} else {
		p.held[name] = r
	}
}

// reads tells whether a line is to be looked at: it has words that may mean something, or belongs to what is being read.
func reads[T text](p *Follower, line T) bool {
	if in(telling(), line) {
		if p.read++; p.follows && p.read > mostRead {
			p.skipped++
			return false
		}
		return true
	}
	return p.open != nil || len(p.oom.columns) > 0 && bracketed(line)
}

// bracketed tells whether a line begins as those of a table of tasks do.
func bracketed[T text](line T) bool {
	for i := range len(line) {
		if line[i] != ' ' && line[i] != '\t' {
			return line[i] == '['
		}
	}
	return false
}
