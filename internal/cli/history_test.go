// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
	"github.com/kubeinquest/inquest/internal/watch"
)

// TestHistory: what was recorded is listed, shown, exported and judged again, and what was exported gives the same cause.
func TestHistory(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "h.db")
	s, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := watch.Recorder{Rules: rules.All(), Store: s, Cluster: "c", Version: "v1", Log: slog.New(slog.DiscardHandler), Now: time.Now}
	source, err := collect.Open("../../examples/liveness-kill", collect.Reading{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Replay(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	run := func(status int, args ...string) (string, string) {
		t.Helper()
		var out, notes bytes.Buffer
		if got := Main(t.Context(), args, strings.NewReader(""), &out, &notes); got != status {
			t.Fatalf("%v: exit status %d: %s", args, got, notes.String())
		}
		return out.String(), notes.String()
	}
	listed, _ := run(0, "history", "list", "--db", file, "-o", "json")
	var all []history.Incident
	if err := json.Unmarshal([]byte(listed), &all); err != nil || len(all) == 0 {
		t.Fatalf("%v: %s", err, listed)
	}
	in := all[0]
	if out, _ := run(0, "history", "list", "--db", file); !strings.Contains(out, in.ID) || !strings.Contains(out, in.Rule) {
		t.Errorf("the list lacks %s %s: %s", in.ID, in.Rule, out)
	}
	if out, _ := run(0, "history", "list", "--db", file, "-n", "elsewhere"); strings.Contains(out, in.ID) {
		t.Errorf("listed in another namespace: %s", out)
	}
	if out, _ := run(0, "history", "show", in.ID[:6], "--db", file); !strings.Contains(out, "kept") {
		t.Errorf("no death with evidence: %s", out)
	}
	bundle := filepath.Join(folder, "case.zip")
	run(0, "history", "export", in.ID[:6], "--db", file, "-o", bundle)
	if out, _ := run(0, "why", "--from", bundle); !strings.Contains(out, in.Rule) {
		t.Errorf("the bundle does not tell of %s: %s", in.Rule, out)
	}
	if out, _ := run(0, "history", "rerun", "--db", file); !strings.Contains(out, " 0 changed, 0 could not be judged") {
		t.Errorf("the same rules judge otherwise: %s", out)
	}
	if _, notes := run(1, "history", "show", "zzz", "--db", file); !strings.Contains(notes, `no incident "zzz"`) {
		t.Error(notes)
	}
	if _, notes := run(1, "history", "list", "--db", filepath.Join(folder, "none.db")); !strings.Contains(notes, "none.db") {
		t.Error(notes)
	}
}
