// SPDX-License-Identifier: Apache-2.0

package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMove: what was committed gets into the file without the writer's doing.
func TestMove(t *testing.T) {
	name := filepath.Join(t.TempDir(), "h.db")
	s := open(t, name, Options{})
	before, err := os.ReadFile(name)
	must(t, err)
	must(t, s.Record(t.Context(), death("web-0", 0, 0)))
	logged, moved, err := s.move(t.Context())
	must(t, err)
	after, err := os.ReadFile(name)
	must(t, err)
	if logged == 0 || moved != logged || string(after) == string(before) {
		t.Errorf("%d pages in the log, %d in the file: expected all, and the file to change", logged, moved)
	}
}

// TestDisk: who wrote hears of it when the disk does not take it.
func TestDisk(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "h.db"), Options{})
	s.log = filepath.Dir(s.log) // cannot be opened for writing
	if err := s.Record(t.Context(), death("web-0", 0, 0)); err == nil || !strings.Contains(err.Error(), "open the log") {
		t.Errorf("%v: expected that the log cannot be opened", err)
	}
}
