// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExamples: the recorded incidents give the reports that lie beside them, and the README shows one of these.
func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob("../../examples/*")
	if err != nil || len(dirs) < 3 {
		t.Fatalf("%d examples, %v", len(dirs), err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, dir := range dirs {
		var out, notes bytes.Buffer
		if status := Main(t.Context(), []string{"why", "--from", dir}, strings.NewReader(""), &out, &notes); status != 0 {
			t.Fatalf("%s: exit status %d: %s", dir, status, notes.String())
		}
		want, err := os.ReadFile(filepath.Join(dir, "report.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s: report differs (-want +got):\n%s", dir, diff)
		}
		if bytes.Contains(readme, want) {
			shown++
		}
	}
	if shown != 1 {
		t.Errorf("the README shows %d reports of examples, want one, as it is", shown)
	}
}
