// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// TestFind reads pairs of files from the archives in testdata: NAME.log and what Find makes of it, NAME.want.
func TestFind(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives in testdata: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { findAll(t, path) })
	}
}

func findAll(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]string{}
	for _, f := range archive.Files {
		if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
			wants[name] = string(f.Data)
		}
	}
	out := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		name, ok := strings.CutSuffix(f.Name, ".log")
		if !ok {
			continue
		}
		got := show(Find(string(f.Data)))
		out.Files = append(out.Files, f, txtar.File{Name: name + ".want", Data: []byte(got)})
		if diff := cmp.Diff(wants[name], got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func show(b Block, ok bool) string {
	if !ok {
		return "nothing\n"
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s\n", b.Kind, b.Headline)
	if b.Location != "" {
		fmt.Fprintf(&s, "at %s\n", b.Location)
	}
	fmt.Fprintf(&s, "lines %d to %d, %d kept", b.First, b.Last, len(b.Lines))
	if !b.At.IsZero() {
		fmt.Fprintf(&s, ", %s", b.At.UTC().Format(time.RFC3339Nano))
	}
	if b.Signature != nil {
		fmt.Fprintf(&s, "\nsignature %s", b.Signature.ID)
	}
	return s.String() + "\n"
}

// TestTimestamps checks that the answer is the same with the time stamps of `kubectl logs --timestamps` as without.
func TestTimestamps(t *testing.T) {
	for name, log := range logs(t) {
		_, text := Parse(log)
		if n := len(log) - len(text); n > 0 && !ownStamp(n) || name == "choice.txtar/far-apart.log" {
			continue // has them, or is about the times of its lines
		}
		stamped := strings.ReplaceAll("\n"+strings.TrimSuffix(log, "\n"), "\n", "\n2026-11-23T18:01:02.123456789Z ")[1:]
		want, _ := Find(log)
		got, _ := Find(stamped)
		got.At, want.At = time.Time{}, time.Time{}
		got.Lines, want.Lines = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs with time stamps (-without +with):\n%s", name, diff)
		}
	}
}

// logs are the logs in testdata.
func logs(tb testing.TB) map[string]string {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		tb.Fatalf("no archives in testdata: %v", err)
	}
	found := map[string]string{}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".log") {
				found[filepath.Base(path)+"/"+f.Name] = string(f.Data)
			}
		}
	}
	return found
}

func FuzzFind(f *testing.F) {
	for _, log := range logs(f) {
		f.Add(log)
	}
	f.Fuzz(func(t *testing.T, log string) {
		b, ok := Find(log)
		again, _ := Find(log)
		if diff := cmp.Diff(b, again); diff != "" {
			t.Fatalf("differs the second time: %s", diff)
		}
		if ok {
			bounded(t, b, log)
			Dependencies(b)
		}
	})
}

func bounded(t *testing.T, b Block, log string) {
	t.Helper()
	if b.Headline == "" || b.Kind == "" || len(b.Headline) > 512 || !utf8.ValidString(b.Headline) || strings.ContainsAny(b.Headline, "\n\r\x1b\x00") {
		t.Errorf("kind %q, headline %q", b.Kind, b.Headline)
	}
	if len(b.Lines) == 0 || len(b.Lines) > maxLines || b.First < 0 || b.Last < b.First || b.Last > strings.Count(log, "\n") {
		t.Errorf("%d lines from %d to %d", len(b.Lines), b.First, b.Last)
	}
	for _, l := range b.Lines {
		if len(l) > maxLine || !utf8.ValidString(l) {
			t.Errorf("line of %d bytes: %q", len(l), l)
		}
	}
}
