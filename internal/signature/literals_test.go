// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"regexp"
	"slices"
	"testing"
)

func TestLiterals(t *testing.T) {
	for expression, want := range map[string][]string{
		`too many open files|\bemfile\b`:           {"too many open files", "emfile"},
		`port \S+ (?:is|was) already (?:in|bound)`: {" already "},
		`(?:fork|clone).{0,80}eagain`:              {"eagain"},
		`a+b?`:                                     {"a"},
		`x*|y`:                                     nil,
		`(?i)yaml: line`:                           nil,
		`[a-z]+\d`:                                 nil,
	} {
		if got := Literals(regexp.MustCompile(expression)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
	if MayMatch([]string{"emfile"}, "no such file") || !MayMatch(nil, "x") || !MayMatch([]string{"a", "b"}, "cab") {
		t.Error("what has none of the words may match, or what has one may not")
	}
}
