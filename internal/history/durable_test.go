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

// TestTorn: behind a log that the disk did not take nothing is acknowledged before all of it is in the file, and the log is a new one.
func TestTorn(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "h.db"), Options{})
	log := s.log
	s.log = filepath.Dir(log)
	if err := s.Record(t.Context(), death("web-0", 0, 0)); err == nil {
		t.Fatal("it was acknowledged")
	}
	s.log = log
	must(t, s.Record(t.Context(), death("web-1", 0, 0)))
	info, err := os.Stat(log)
	must(t, err)
	want(t, "bytes in the log", info.Size(), 0)
	want(t, "deaths", len(deaths(t, s, Filter{})), 2)
	must(t, s.Record(t.Context(), death("web-2", 0, 0)))
	if info, err = os.Stat(log); err != nil || info.Size() == 0 {
		t.Errorf("the log is still emptied each time: %v", err)
	}
}

// TestTornMoving: a disk that fails where the log is moved to the file has not taken the log, whatever it says when it is asked next.
func TestTornMoving(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "h.db"), Options{})
	reader, err := s.reads.BeginTx(t.Context(), nil) // keeps what is written meanwhile in the log
	must(t, err)
	var n int
	must(t, reader.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM deaths").Scan(&n))
	must(t, s.Record(t.Context(), death("web-0", 0, 0)))
	must(t, os.Truncate(s.log, 100))
	must(t, reader.Rollback())
	if _, _, err := s.move(t.Context()); err == nil {
		t.Fatal("a log without its end was moved")
	}
	if err := s.reachDisk(); err == nil || !s.torn.Load() {
		t.Errorf("%v: expected that what is in the log is not acknowledged", err)
	}
}
