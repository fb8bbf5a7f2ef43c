// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// What Hits may cost and give. A step is about what looking at one byte costs.
const (
	mostSteps   = 64 << 20
	patternCost = 32 // steps a byte of a line that a pattern looks at
	mostHits    = 100
	mostOfOne   = 5 // hits of one signature
)

// A Hit is a line that a signature knows.
type Hit struct {
	Signature *Sig
	Line      string    // without the runtime's time stamp, valid UTF-8, at most 2 KiB
	Number    int       // of the line in the log, from 0
	At        time.Time // the runtime's time stamp, else the one in the line, taken as UTC unless it says otherwise; zero when none
}

// Hits returns the lines of a log that signatures know, the newest first, of one signature at most the five newest. A
// line may hit several, the most telling first. Of JSON and logfmt lines only message, error and stack are looked at.
// Only the last 512 KiB are looked at, and of many lines that hit, at most a fixed amount of work is done for the newest.
func Hits(log string) []Hit { return catalogue().Hits(log) }

// A Matcher finds some signatures in lines: one automaton over the literals of all says which patterns to try.
type Matcher struct {
	sigs  []*Sig
	words *automaton
	owner []uint16 // the signature that a literal is of

	patterns map[*Sig]func() *regexp.Regexp // of those that have one, made when needed first
}

// NewMatcher makes the matcher of some signatures, of which at most 65535 bytes of literals may differ.
func NewMatcher(sigs []*Sig) *Matcher {
	m := &Matcher{sigs: sigs, patterns: map[*Sig]func() *regexp.Regexp{}}
	var literals []string
	for i, s := range sigs {
		if s.Pattern != "" {
			m.patterns[s] = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s.Pattern) })
		}
		for _, l := range s.Literals {
			literals = append(literals, l)
			m.owner = append(m.owner, uint16(i))
		}
	}
	m.words = newAutomaton(literals)
	return m
}

// Hits is Hits for the signatures of this matcher.
func (m *Matcher) Hits(log string) []Hit {
	log, skipped := window(log)
	number := skipped + strings.Count(log, "\n")
	var found []Hit
	of := map[*Sig]int{}
	steps := mostSteps
	for more := log != ""; more && steps > 0 && len(found) < mostHits; number-- {
		cut := strings.LastIndexByte(log, '\n')
		s := log[cut+1:]
		steps -= len(s)
		if m.words.has(clip(s, maxMatch)) {
			l := bodyOf(s)
			for _, sig := range m.line(l.body, mostHits, &steps, func(s *Sig) bool { return of[s] < mostOfOne }) {
				of[sig]++
				found = append(found, Hit{sig, valid(l.text), number, l.time()})
			}
		}
		if more = cut >= 0; more {
			log = log[:cut]
		}
	}
	return found[:min(len(found), mostHits)]
}

// line returns the signatures that a line hits, at most so many, the most telling first, of those that are wanted, and
// takes what it costs from steps. What does not fit is not tried.
func (m *Matcher) line(body string, most int, steps *int, wanted func(*Sig) bool) []*Sig {
	var found []*Sig
	for _, s := range says(body) {
		*steps -= len(s)
		for _, c := range m.candidates(s) {
			sig := c.sig
			if *steps <= 0 || slices.Contains(found, sig) || !wanted(sig) {
				continue
			}
			if pattern := m.patterns[sig]; pattern != nil {
				*steps -= patternCost * len(s)
				if !pattern().MatchString(s) {
					continue
				}
			}
			if found = append(found, sig); len(found) == most {
				return found
			}
		}
	}
	return found
}

// candidates are the signatures of which a literal is in a text: first those that are not general, then those with the
// longer literal.
func (m *Matcher) candidates(s string) []candidacy {
	var found []candidacy
	m.words.each(s, func(literal int) bool {
		c := candidacy{m.sigs[m.owner[literal]], len(m.words.literals[literal])}
		if c.sig.General {
			c.weight -= maxLine
		}
		if k := slices.IndexFunc(found, func(o candidacy) bool { return o.sig == c.sig }); k < 0 {
			found = append(found, c)
		} else {
			found[k].weight = max(found[k].weight, c.weight)
		}
		return true
	})
	slices.SortFunc(found, func(a, b candidacy) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), strings.Compare(a.sig.ID, b.sig.ID))
	})
	return found
}

// A candidacy is a signature with how telling the literal is that was found.
type candidacy struct {
	sig    *Sig
	weight int
}

// says are the texts of a line in which it may say what is wrong: all of a plain line, the message, the error and the
// lines of the stack of a structured one.
func says(body string) []string {
	e, ok := structured(body)
	if !ok {
		return []string{body}
	}
	texts := []string{e.text()}
	for _, s := range []string{unquote(e.more), e.errText()} {
		if s != "" && s != texts[0] {
			texts = append(texts, s)
		}
	}
	if e.stack != "" {
		texts = append(texts, strings.Split(unquote(e.stack), "\n")...)
	}
	return texts
}

// best is the signature of a block: what its headline hits, or else the first of its lines that hits any.
func (m *Matcher) best(b *Block) *Sig {
	steps := mostSteps
	for _, s := range append([]string{b.Headline}, b.Lines...) {
		if found := m.line(plain(s), 1, &steps, func(*Sig) bool { return true }); len(found) > 0 {
			return found[0]
		}
	}
	return nil
}
