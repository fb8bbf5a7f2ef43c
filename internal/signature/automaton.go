// SPDX-License-Identifier: Apache-2.0

package signature

import "strings"

// An automaton finds any of many literals in one pass over a text, after Aho and Corasick (1975), with the failure links
// worked into one dense table: a step is a look into the class of the byte and one into the table, whatever the text is.
// ASCII letters match in either case. Of a long literal the table has a part, the most telling one, and the rest is
// compared where that part ends: a small table stays in the processor's cache.
type automaton struct {
	class [256]uint8 // 0 is for bytes in no literal
	next  []uint16   // the state after state s and a byte of class c is next[s<<shift|c]; state 0 is the beginning
	first uint16     // the states from here on are reached where the part of a literal ends
	ends  [][]uint16 // the literals whose parts end there, by state less first

	literals []string // in lower case
	tails    []int    // how much of a literal is behind its part
}

// partSize is how much of a literal the table has at most, in bytes.
const partSize = 8

// newAutomaton builds the automaton of some literals, which are told by their index.
func newAutomaton(literals []string) *automaton {
	a := &automaton{}
	for _, l := range literals {
		a.literals = append(a.literals, strings.Map(func(r rune) rune { return rune(lower(byte(r))) }, l))
	}
	parts := a.parts()
	a.classify(parts)
	t := &trie{}
	t.grow()
	for id, part := range parts {
		t.add(a, part, id)
	}
	a.number(t, t.link())
	return a
}

// parts chooses the part of each literal that the fewest literals have, since what is common in them is common in logs,
// and of these one that spans two words, then the one with the rarest letters.
func (a *automaton) parts() []string {
	common := map[string]int{}
	for _, l := range a.literals {
		for i := partSize; i <= len(l); i++ {
			common[l[i-partSize:i]]++
		}
	}
	parts := make([]string, len(a.literals))
	a.tails = make([]int, len(a.literals))
	for id, l := range a.literals {
		end, least := len(l), 1<<30
		for i := partSize; i <= len(l); i++ {
			if cost := common[l[i-partSize:i]]*1000 + commonness(l[i-partSize:i]); cost < least {
				end, least = i, cost
			}
		}
		parts[id], a.tails[id] = l[max(0, end-partSize):end], len(l)-end
	}
	return parts
}

// commonness adds up the ranks of the letters of a text in English. It makes much of the first three, because with them
// a text enters the table and leaves it again mostly, and of a text that is within one word.
func commonness(s string) int {
	n := 0
	if strings.IndexByte(s[1:len(s)-1], ' ') < 0 {
		n = 300
	}
	for i := range len(s) {
		rank := 2 * len(letters) // digits and signs are not told apart
		if k := strings.IndexByte(letters, s[i]); k >= 0 {
			rank = len(letters) - k
		}
		n += rank * max(1, 8-3*i)
	}
	return n
}

// classify gives each byte of the literals a class. The letters and the blank have one each, digits one together and so
// has all that is left, which keeps a row as small as a line of the cache: what is found is compared in full anyway.
func (a *automaton) classify(literals []string) {
	for _, c := range []byte(strings.Join(literals, "")) {
		k := strings.IndexByte(letters, c)
		switch {
		case k == 0:
			a.class[c] = 1
		case k > 0:
			a.class[c], a.class[c&^0x20] = uint8(k+1), uint8(k+1)
		case digit(c):
			a.class[c] = classes - 2
		default:
			a.class[c] = classes - 1
		}
	}
}

const (
	classes = 32
	shift   = 5
)

// letters are those of English by how often they occur, the blank first.
const letters = " etaoinsrhldcumfpgwybvkxjqz"

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// A trie is the automaton while it is built: rows of children, 0 where there is none.
type trie struct {
	rows [][]uint16
	ends [][]uint16
}

func (t *trie) grow() uint16 {
	t.rows = append(t.rows, make([]uint16, classes))
	t.ends = append(t.ends, nil)
	return uint16(len(t.rows) - 1)
}

func (t *trie) add(a *automaton, literal string, id int) {
	s := uint16(0)
	for i := range len(literal) {
		c := a.class[literal[i]]
		if t.rows[s][c] == 0 {
			t.rows[s][c] = t.grow()
		}
		s = t.rows[s][c]
	}
	t.ends[s] = append(t.ends[s], uint16(id))
}

// link completes each row by that of the longest suffix that also begins a literal, and returns the states by depth.
func (t *trie) link() []uint16 {
	fail := make([]uint16, len(t.rows))
	order := []uint16{0}
	for k := 0; k < len(order); k++ {
		s := order[k]
		for c := range t.rows[s] {
			child, other := t.rows[s][c], uint16(0)
			if s != 0 {
				other = t.rows[fail[s]][c]
			}
			if child == 0 {
				t.rows[s][c] = other
				continue
			}
			fail[child] = other
			t.ends[child] = append(t.ends[child], t.ends[other]...)
			order = append(order, child)
		}
	}
	return order
}

// number lays the states out: those near the beginning together, because a text is nearly always there, and those where
// a literal ends behind all others, because one comparison then finds them.
func (a *automaton) number(t *trie, order []uint16) {
	to := make([]uint16, len(order))
	n := uint16(0)
	for _, end := range []bool{false, true} {
		if end {
			a.first = n
		}
		for _, s := range order {
			if len(t.ends[s]) > 0 == end {
				to[s] = n
				n++
			}
		}
	}
	a.next = make([]uint16, len(order)<<shift)
	a.ends = make([][]uint16, int(n)-int(a.first))
	for s, row := range t.rows {
		for c, child := range row {
			a.next[int(to[s])<<shift|c] = to[child]
		}
		if to[s] >= a.first {
			a.ends[to[s]-a.first] = t.ends[s]
		}
	}
}

// find returns the state at the end of the first literal of a text and the place behind it, or the last state and -1.
func find[T string | []byte](a *automaton, text T, s uint16) (uint16, int) {
	next := a.next
	for i := range len(text) {
		if s = next[uint(s)<<shift|uint(a.class[text[i]])]; s >= a.first {
			return s, i + 1
		}
	}
	return s, -1
}

// each calls f with every literal that is in a text, until f says no.
func (a *automaton) each(text string, f func(literal int) bool) {
	s, n := find(a, text, 0)
	for at := n; n >= 0; at += n {
		for _, id := range a.ends[s-a.first] {
			if whole(a, text, at, int(id)) && !f(int(id)) {
				return
			}
		}
		s, n = find(a, text[at:], s)
	}
}

// whole says whether all of a literal is in a text where its part ends.
func whole[T string | []byte](a *automaton, text T, at, id int) bool {
	l := a.literals[id]
	end := at + a.tails[id]
	if end > len(text) || end < len(l) {
		return false
	}
	for i := range len(l) {
		if lower(text[end-len(l)+i]) != l[i] {
			return false
		}
	}
	return true
}

// has says whether any literal is in a text.
func (a *automaton) has(text string) bool {
	found := false
	a.each(text, func(int) bool { found = true; return false })
	return found
}
