// SPDX-License-Identifier: Apache-2.0

package signature

import "slices"

// Templates groups lines by what they have in common, after Drain (He, Zhu, Zheng and Lyu, ICWS 2017): a tree of fixed
// depth, by the number of words and the first words that are not numbers, leads to a few groups, and the line joins the
// one that it resembles most. Where they differ the template has a gap. Words are compared by their hash, words with a
// digit are gaps from the beginning, and of groups the least recently used are forgotten.
type Templates struct {
	most     int
	leaves   map[path]*leaf
	branches map[path]int // below a node of the tree
	newest   group        // ring of all groups in order of use; this one is only its mark
	n        int
	forgot   int
	known    [memory]memo
}

const (
	mostWords    = 64  // of a line that are looked at
	mostBranches = 100 // of a node
	mostOfLeaf   = 32  // groups of a leaf
	memory       = 4096
	gap          = 0 // stands for any word
	// similarity is the least share of equal words. Drain's authors found 0.4 to 0.5 best for most systems.
	similarity = 0.5
)

// A path leads to a node: the number of words, then the first two that are not gaps.
type path struct {
	words         int
	first, second uint64
}

type leaf struct {
	path
	groups []*group
}

// A group is a template with what is known of it.
type group struct {
	words          []uint64
	leaf           *leaf
	newer, older   *group
	elsewhere      bool // a log of another life has it
	last           int  // line of the dying log that had it last
	forgotten, own bool
}

// A memo is the group that a line with these very words went to.
type memo struct {
	sum   uint64
	group *group
}

// NewTemplates makes an empty set that keeps at most so many templates.
func NewTemplates(most int) *Templates {
	t := &Templates{most: most, leaves: map[path]*leaf{}, branches: map[path]int{}}
	t.newest.newer, t.newest.older = &t.newest, &t.newest
	return t
}

// Add takes a line, and says whether it is the first of its template.
func (t *Templates) Add(line string) (fresh bool) {
	_, fresh = t.add(line)
	return fresh
}

// Len is the number of templates.
func (t *Templates) Len() int { return t.n }

func (t *Templates) add(line string) (g *group, fresh bool) {
	var store [mostWords]uint64
	words, sum := wordsOf(line, &store)
	m := &t.known[sum%memory]
	if m.group != nil && m.sum == sum && len(m.group.words) == len(words) && !m.group.forgotten {
		t.touch(m.group)
		return m.group, false
	}
	at := t.descend(words)
	l := t.leaves[at]
	if l != nil {
		g = l.closest(words)
	}
	if fresh = g == nil; fresh {
		g = t.grow(at, slices.Clone(words))
	} else {
		t.touch(g)
	}
	*m = memo{sum, g}
	return g, fresh
}

// wordsOf hashes the words of a line, 0 for those with a digit, and all of them together.
func wordsOf(line string, store *[mostWords]uint64) ([]uint64, uint64) {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	n, sum := 0, uint64(offset)
	for i := 0; i < len(line) && n < mostWords; {
		for i < len(line) && kindOf[line[i]] == between {
			i++
		}
		from, hash, number := i, uint64(offset), byte(0)
		for i < len(line) && kindOf[line[i]] != between {
			number |= kindOf[line[i]]
			hash = (hash ^ uint64(line[i])) * prime
			i++
		}
		if i == from {
			break
		}
		if number == numeric {
			hash = gap
		}
		store[n] = hash
		sum = (sum ^ hash ^ hash>>32) * prime
		n++
	}
	return store[:n], sum
}

// What bytes are to the words of a line.
const (
	within  = 0
	numeric = 1
	between = 2
)

var kindOf = func() (k [256]byte) {
	for c := range k {
		switch {
		case c >= '0' && c <= '9':
			k[c] = numeric
		case c <= ' ', slices.Contains([]byte(`=,;()[]{}"'|`), byte(c)):
			k[c] = between
		}
	}
	return k
}()

// descend is the path of a line in the tree. A node that branches too much lets the rest pass through its gap.
func (t *Templates) descend(words []uint64) path {
	at := path{words: len(words)}
	for _, w := range words {
		if w == gap {
			continue
		}
		if at.first == gap {
			at.first = t.branch(path{words: at.words}, path{at.words, w, gap}, w)
			if at.first == gap {
				return at
			}
			continue
		}
		at.second = t.branch(path{at.words, at.first, gap}, path{at.words, at.first, w}, w)
		return at
	}
	return at
}

// branch is the word that leads on from a node, gap where there is no room for another.
func (t *Templates) branch(node, child path, word uint64) uint64 {
	if t.branches[child] == 0 && t.leaves[child] == nil && t.branches[node] >= mostBranches {
		return gap
	}
	return word
}

// closest returns the group that a line belongs to, with its template widened, nil when all are too different.
func (l *leaf) closest(words []uint64) *group {
	best, most := -1, 0
	for k, g := range l.groups {
		if alike := g.likeness(words); alike > most || best < 0 {
			best, most = k, alike
		}
		if most == 2*len(words) {
			break
		}
	}
	if best < 0 || float64(most) < similarity*float64(len(words)) {
		return nil
	}
	g := l.groups[best]
	copy(l.groups[1:best+1], l.groups[:best]) // the last one found is looked at first
	l.groups[0] = g
	for i, w := range words {
		if g.words[i] != w {
			g.words[i] = gap
		}
	}
	return g
}

// likeness counts the words that a line shares with the template. A line that fits it without another gap is alike
// whatever the gaps are: else lines would not be known again once their template has widened.
func (g *group) likeness(words []uint64) int {
	same, fits := 0, true
	for i, w := range g.words {
		switch {
		case w == words[i]:
			same++
		case w != gap:
			fits = false
		}
	}
	if fits {
		return same + len(words)
	}
	return same
}

// grow makes a new group, and room for it.
func (t *Templates) grow(at path, words []uint64) *group {
	if t.n >= t.most {
		t.forget(t.newest.newer) // the ring closes at the oldest
	}
	l := t.leaves[at]
	if l == nil {
		l = &leaf{path: at}
		t.leaves[at] = l
		t.count(at, 1)
	}
	if len(l.groups) >= mostOfLeaf {
		t.forget(l.groups[len(l.groups)-1])
	}
	g := &group{words: words, leaf: l}
	l.groups = append(l.groups, g)
	t.n++
	t.link(g)
	return g
}

// count keeps account of the branches above a leaf that comes or goes.
func (t *Templates) count(at path, by int) {
	if at.first == gap {
		return
	}
	top, middle := path{words: at.words}, path{at.words, at.first, gap}
	t.step(middle, by)
	if by > 0 && t.branches[middle] == 1 || by < 0 && t.branches[middle] == 0 {
		t.step(top, by)
	}
}

func (t *Templates) step(node path, by int) {
	if t.branches[node] += by; t.branches[node] == 0 {
		delete(t.branches, node)
	}
}

// forget takes a group out of the tree.
func (t *Templates) forget(g *group) {
	g.forgotten = true
	g.newer.older, g.older.newer = g.older, g.newer
	t.n--
	t.forgot++
	l := g.leaf
	l.groups = slices.DeleteFunc(l.groups, func(other *group) bool { return other == g })
	if len(l.groups) == 0 && t.leaves[l.path] == l {
		delete(t.leaves, l.path)
		t.count(l.path, -1)
	}
}

func (t *Templates) touch(g *group) {
	g.newer.older, g.older.newer = g.older, g.newer
	t.link(g)
}

// link makes a group the one used last.
func (t *Templates) link(g *group) {
	g.older, g.newer = t.newest.older, &t.newest
	g.older.newer, t.newest.older = g, g
}
