// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestAutomaton compares the automaton with looking for each literal by itself.
func TestAutomaton(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[abAB:]{1,5}|[aAbB]{7,14}`)
		literals := rapid.SliceOfN(word, 1, 12).Draw(t, "literals")
		text := rapid.StringMatching(`[abABc:]{0,80}`).Draw(t, "text")
		var want, got []int
		for i, l := range literals {
			if strings.Contains(strings.ToLower(text), strings.ToLower(l)) {
				want = append(want, i)
			}
		}
		newAutomaton(literals).each(text, func(literal int) bool {
			if !slices.Contains(got, literal) {
				got = append(got, literal)
			}
			return true
		})
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("literals %q in %q (-want +got):\n%s", literals, text, diff)
		}
	})
}

// TestSize keeps the automaton small enough for its states to be numbered in 16 bits.
func TestSize(t *testing.T) {
	a := catalogue().words
	if states := len(a.next) >> shift; states > 50_000 {
		t.Errorf("%d states", states)
	}
}
