// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestLevels: what the level of a namespace refuses is all that the rules about one pod say of that level, though only the outline of a pod is
// kept until the namespace is known.
func TestLevels(t *testing.T) {
	names, err := filepath.Glob("../rules/security/testdata/SEC10[56]*.txtar")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, level := range []string{"baseline", "restricted", "privileged"} {
			text := "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {pod-security.kubernetes.io/enforce: " + level + "}\n"
			_, r := judge(t, Policy{}, written(t, string(archive.Files[0].Data)+text))
			want := forbids(r, level)
			f := of(r, "SEC107")
			switch {
			case f == nil && want > 0:
				t.Errorf("%s: %s forbids %d things, and nothing is told", name, level, want)
			case f == nil:
			case want == 0, want > 1 != strings.HasSuffix(f.Message, fmt.Sprintf(", and %d more", want-1)), f.Severity != Error:
				t.Errorf("%s: %s forbids %d things: %s %s", name, level, want, f.Severity, f.Message)
			}
		}
	}
}

// forbids counts what the rules about one pod say of a level.
func forbids(r *Result, level string) int {
	n := 0
	for i := range r.Findings {
		if rule := r.Findings[i].Rule; rule == "SEC105" && level != "privileged" || rule == "SEC106" && level == "restricted" {
			n++
		}
	}
	return n
}
