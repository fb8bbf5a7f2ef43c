// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
)

// A Count is how often a signature hit in a stream.
type Count struct {
	Signature   *Sig
	Lines       int
	First, Last Hit
}

// A Tally is what Scan found.
type Tally struct {
	Counts []Count // the one seen last comes first
	Lines  int     // lines read
	Passed int     // lines that were not looked at in full, because so many have a literal
}

// What Scan holds at a time, and the work that it does for patterns, in steps for each byte read beyond the first mostSteps.
const (
	chunkSize   = 1 << 20
	stepsOfByte = 16
)

// Scan reads a log of any length once, in constant memory and linear time, and counts what Hits would find in it, of each
// line the most telling. It gives what was found before an error.
func Scan(r io.Reader) (Tally, error) { return catalogue().Scan(r) }

// Scan is Scan for the signatures of this matcher.
func (m *Matcher) Scan(r io.Reader) (Tally, error) {
	s := scanner{Matcher: m, counts: map[*Sig]*Count{}, steps: mostSteps}
	buf := make([]byte, 0, chunkSize)
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		end := bytes.LastIndexByte(buf, '\n') + 1
		if err != nil || end == 0 {
			end = len(buf) // the last line, or one that is longer than all that is held
		}
		s.steps += stepsOfByte * end
		s.chunk(buf[:end])
		buf = append(buf[:0], buf[end:]...)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return s.result(), nil
		case err != nil:
			return s.result(), err
		}
	}
}

// A scanner is a Scan under way.
type scanner struct {
	*Matcher
	tally  Tally
	counts map[*Sig]*Count
	steps  int
}

// A span is a line within a chunk.
type span struct{ from, to int }

// chunk looks at some whole lines: first for literals, four parts at once, then at the lines that have any, in order.
func (s *scanner) chunk(p []byte) {
	var parts [lanes]lane
	from := 0
	for k := range parts {
		to := max(from, len(p)*(k+1)/lanes)
		if n := bytes.IndexByte(p[to:], '\n'); n >= 0 {
			to += n + 1
		} else {
			to = len(p)
		}
		parts[k] = lane{text: p[from:to], offset: from}
		from = to
	}
	s.words.sweep(&parts)
	number, at := s.tally.Lines, 0
	for k := range parts {
		for _, hit := range parts[k].hits {
			number += bytes.Count(p[at:hit.from], []byte{'\n'})
			at = hit.from
			s.line(string(p[hit.from:min(hit.to, hit.from+maxMatch)]), number)
		}
	}
	s.tally.Lines = number + bytes.Count(p[at:], []byte{'\n'})
	if len(p) > 0 && p[len(p)-1] != '\n' && len(p) < chunkSize {
		s.tally.Lines++
	}
}

// line counts what a line hits.
func (s *scanner) line(text string, number int) {
	if s.steps <= 0 {
		s.tally.Passed++
		return
	}
	for _, sig := range s.Matcher.line(bodyOf(text).body, 1, &s.steps, func(*Sig) bool { return true }) {
		hit := Hit{Signature: sig, Line: text, Number: number}
		c := s.counts[sig]
		if c == nil {
			c = &Count{Signature: sig, First: hit}
			s.counts[sig] = c
		}
		c.Lines++
		c.Last = hit
	}
	if s.steps <= 0 {
		s.tally.Passed++
	}
}

func (s *scanner) result() Tally {
	for _, c := range s.counts {
		c.First.date()
		c.Last.date()
		s.tally.Counts = append(s.tally.Counts, *c)
	}
	slices.SortFunc(s.tally.Counts, func(a, b Count) int {
		if a.Last.Number != b.Last.Number {
			return b.Last.Number - a.Last.Number
		}
		return strings.Compare(a.Signature.ID, b.Signature.ID)
	})
	return s.tally
}

// date fills in what is not needed for each of a million hits.
func (h *Hit) date() {
	l := bodyOf(h.Line)
	h.Line, h.At = valid(l.text), l.time()
}

// lanes is how many parts of a text are gone through at once. Each step waits for the one before it, for memory and not
// for the processor, which has time for other parts meanwhile.
const lanes = 4

// A lane is a part of a text, of whole lines, and what of it is still to be looked at.
type lane struct {
	text   []byte
	offset int // of the text in the chunk
	at     int // what is before was looked at
	state  uint16
	hits   []span // lines with a literal, in the chunk
}

// sweep finds the lines that have a literal. No literal has a line break, so that lines need not be parted for it.
func (a *automaton) sweep(parts *[lanes]lane) {
	for {
		n := len(parts[0].text) - parts[0].at
		for k := range parts {
			n = min(n, len(parts[k].text)-parts[k].at)
		}
		if n == 0 {
			break
		}
		a.abreast(parts, n)
	}
	for k := range parts {
		for l := &parts[k]; l.at < len(l.text); {
			s, n := find(a, l.text[l.at:], l.state)
			if n < 0 {
				break
			}
			l.state, l.at = s, l.at+n
			l.hit(a)
		}
	}
}

// abreast takes n bytes of every lane, or as many as there are before the first literal.
func (a *automaton) abreast(parts *[lanes]lane, n int) {
	next, class, first := a.next, &a.class, a.first
	p, q, r, t := parts[0].rest(n), parts[1].rest(n), parts[2].rest(n), parts[3].rest(n)
	s0, s1, s2, s3 := parts[0].state, parts[1].state, parts[2].state, parts[3].state
	taken := n
	for i := range n {
		s0 = next[uint(s0)<<shift|uint(class[p[i]])]
		s1 = next[uint(s1)<<shift|uint(class[q[i]])]
		s2 = next[uint(s2)<<shift|uint(class[r[i]])]
		s3 = next[uint(s3)<<shift|uint(class[t[i]])]
		if s0 >= first || s1 >= first || s2 >= first || s3 >= first {
			taken = i + 1
			break
		}
	}
	for k, s := range [lanes]uint16{s0, s1, s2, s3} {
		l := &parts[k]
		l.at, l.state = l.at+taken, s
		if s >= first {
			l.hit(a)
		}
	}
}

func (l *lane) rest(n int) []byte { return l.text[l.at:][:n] }

// hit notes the line that is being looked at, if it has all of a literal, and goes on behind it.
func (l *lane) hit(a *automaton) {
	if !slices.ContainsFunc(a.ends[l.state-a.first], func(id uint16) bool { return whole(a, l.text, l.at, int(id)) }) {
		return
	}
	from := bytes.LastIndexByte(l.text[:l.at], '\n') + 1
	to := len(l.text)
	if n := bytes.IndexByte(l.text[l.at:], '\n'); n >= 0 {
		to = l.at + n
	}
	l.hits = append(l.hits, span{l.offset + from, l.offset + to})
	l.at, l.state = to, 0
}
