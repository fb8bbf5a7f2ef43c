// SPDX-License-Identifier: Apache-2.0

package regex

import (
	"slices"
	"testing"
)

// TestNew: an expression is compiled when it is asked, and answers as regexp does; one that is wrong fails in a test.
func TestNew(t *testing.T) {
	e := &Expr{text: `a(b+)`}
	if e.compiled != nil || e.String() != "a(b+)" {
		t.Error("it is compiled before it is asked")
	}
	if got := e.FindStringSubmatch("xabbc"); !slices.Equal(got, []string{"abb", "bb"}) || e.compiled == nil {
		t.Errorf("found %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a wrong expression is accepted")
		}
	}()
	New("a(")
}
