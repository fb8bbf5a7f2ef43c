// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// Literals returns words of which a text must have at least one for an expression to match in it; none where that cannot be
// said. To look for them is much cheaper than to match, and most expressions match in hardly any line.
func Literals(re fmt.Stringer) []string {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil // cannot happen: it is compiled
	}
	return required(tree.Simplify())
}

// LiteralsOf returns the literals of each of n expressions, found when they are first asked for.
func LiteralsOf(n int, re func(i int) fmt.Stringer) func() [][]string {
	return sync.OnceValue(func() [][]string {
		all := make([][]string, n)
		for i := range all {
			all[i] = Literals(re(i))
		}
		return all
	})
}

// MayMatch tells whether a text has one of the literals, or there are none.
func MayMatch(literals []string, text string) bool {
	return len(literals) == 0 || slices.ContainsFunc(literals, func(l string) bool { return strings.Contains(text, l) })
}

// required returns the literals of which one is in whatever the expression matches.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if list := required(sub); shortest(list) > shortest(best) {
				best = list
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			list := required(sub)
			if len(list) == 0 {
				return nil
			}
			all = append(all, list...)
		}
		return all
	}
	return nil
}

// shortest is how many bytes the shortest literal has: the longer, the rarer it is.
func shortest(literals []string) int {
	if len(literals) == 0 {
		return 0
	}
	return len(slices.MinFunc(literals, func(a, b string) int { return len(a) - len(b) }))
}
