// SPDX-License-Identifier: Apache-2.0

// Package signature finds in the log of one container attempt the lines that say why it died.
//
// The last error is often a farewell ("exiting with code 1") and the loudest an old story, so lines are not searched
// for the word error: blocks are recognised by the form that runtimes and loggers give them, those that are followed
// by normal operation are put aside, and of the rest the gravest is taken, or the first of those that came together.
//
// A log is what the program chose to print, and anyone can print anything: a Block is never proof.
package signature

import (
	"slices"
	"strings"
	"time"
)

// A Kind is the form of a block: which runtime or logger wrote it.
type Kind string

// The kinds. Message is a line at an error level, plain, JSON or logfmt; Tail is a last line that has no level and
// yet speaks of trouble.
const (
	GoPanic         Kind = "Go panic"
	GoFatal         Kind = "Go fatal error"
	PythonTraceback Kind = "Python traceback"
	JavaException   Kind = "Java exception"
	NodeError       Kind = "Node.js error"
	DotNet          Kind = ".NET exception"
	Ruby            Kind = "Ruby exception"
	Rust            Kind = "Rust panic"
	PHP             Kind = "PHP error"
	Abort           Kind = "abort"
	Sanitizer       Kind = "sanitizer report"
	Shell           Kind = "shell error"
	Message         Kind = "error message"
	Tail            Kind = "last line"
)

// A Block is the part of a log that says why a process ended.
type Block struct {
	Kind     Kind
	Headline string    // the one line to show, without control characters, at most 512 bytes
	Location string    // first frame outside runtime and libraries, "main.handler (/app/main.go:42)"; "" when unknown
	At       time.Time // the runtime's time stamp, else the one in the line, taken as UTC unless it says otherwise; zero when none
	Lines    []string  // the lines of the block without the runtime's time stamps, valid UTF-8, at most 40 of at most 2 KiB
	First    int       // number of the first line in the log, from 0
	Last     int       // number of the last line; lines of other origin between the two are not in Lines

	Signature *Sig // what is known of the message, nil when nothing is
}

// Find returns the block that explains the end of the process that wrote the log. It is false when the log holds
// nothing that reads as an error, or only errors that much normal operation followed. Only the last 512 KiB are
// looked at. Time is linear in the length of the log.
func Find(log string) (Block, bool) {
	log, skipped := window(log)
	b, ok := reason(log)
	if !ok {
		return Block{}, false
	}
	b.First += skipped
	b.Last += skipped
	b.Signature = catalogue().best(&b)
	return b, true
}

// reason finds the block without its signature.
func reason(log string) (Block, bool) {
	lines := split(log)
	best := choose(lines, candidates(log, lines))
	if best == nil {
		return Block{}, false
	}
	return best.block(lines), true
}

// A candidate is a block that may be the reason.
type candidate struct {
	kind  Kind
	level level
	own   []int // the lines that belong to it, in order
	head  int   // the line that says it best
}

func (c *candidate) first() int { return c.own[0] }
func (c *candidate) last() int  { return c.own[len(c.own)-1] }

// candidates lists the blocks of a log in order of their first line.
func candidates(log string, lines []line) []candidate {
	active := occurring(log)
	var found []candidate
	for i := range lines {
		l := &lines[i]
		if l.used || l.body == "" {
			continue
		}
		var c candidate
		if f := beginning(active, lines, i); f != nil {
			c = f.trace(lines, i)
		} else if l.suspicious() {
			c = message(active, lines, i)
		} else {
			continue
		}
		for _, j := range c.own {
			lines[j].used = true
		}
		found = append(found, c)
	}
	return found
}

// block turns a candidate into what the caller sees.
func (c *candidate) block(lines []line) Block {
	if lines[c.head].blank() { // control characters only
		c.head = c.first()
	}
	b := Block{Kind: c.kind, First: c.first(), Last: c.last()}
	for _, i := range keep(c.own, c.head) {
		b.Lines = append(b.Lines, valid(lines[i].text))
	}
	b.At = lines[c.head].time()
	if b.At.IsZero() {
		b.At = lines[c.first()].time()
	}
	c.describe(lines, &b)
	if next := c.head + 1; strings.HasSuffix(b.Headline, ":") && slices.Contains(c.own, next) && !isFrame(lines[next].body) {
		b.Headline += " " + strings.TrimSpace(lines[next].body)
	}
	b.Headline = first(oneLine(b.Headline), oneLine(lines[c.head].body))
	b.Location = oneLine(b.Location)
	return b
}

// keep chooses at most maxLines of the lines of a block: the beginning, and the surroundings of its headline.
func keep(own []int, head int) []int {
	if len(own) <= maxLines {
		return own
	}
	const half = maxLines / 2
	at := 0
	for at < len(own) && own[at] != head {
		at++
	}
	if at < maxLines {
		return own[:maxLines]
	}
	from := min(max(half, at-half/2), len(own)-half)
	return append(append([]int{}, own[:half]...), own[from:from+half]...)
}

// time is when the line was written: as the runtime says, else as the line itself says.
func (l *line) time() time.Time {
	if at, _ := Parse(l.raw); !at.IsZero() {
		return at
	}
	if e, ok := structured(l.body); ok {
		return e.time()
	}
	body := plain(l.text)
	_, rest := levelPrefix(l.body, l.stamped)
	for _, s := range []string{strings.TrimPrefix(body[redisHead(body):], "["), brackets.ReplaceAllString(body, ""), brackets.ReplaceAllString(rest, "")} {
		if at, n := stampAt(strings.TrimLeft(s, " ")); n > 0 {
			return at
		}
	}
	return time.Time{}
}
