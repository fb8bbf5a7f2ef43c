// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/rules"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// TestPagesAreCurrent compares the pages with the rules.
func TestPagesAreCurrent(t *testing.T) {
	written := folder(t, nil)
	if err := writePages(written, rules.Everything()); err != nil {
		t.Fatal(err)
	}
	want := read(t, written.FS())
	got := read(t, os.DirFS("../../.."), pages)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is not what the rules say; run make generate (-rules +pages):\n%s", pages, diff)
	}
}

func TestWritePagesRemovesThoseOfNoRule(t *testing.T) {
	project := folder(t, map[string]string{
		"docs/rules/OLD001.md": "of a rule that is gone", "docs/rules/README.md": "by hand",
	})
	rule := &diagnosis.Rule{ID: "NEW001", Title: "New", Doc: "What it is."}
	if err := writePages(project, []*diagnosis.Rule{rule}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"docs/rules/NEW001.md": string(page(rule)), "docs/rules/README.md": "by hand"}
	if diff := cmp.Diff(want, read(t, project.FS())); diff != "" {
		t.Errorf("files differ (-want +got):\n%s", diff)
	}
}

// TestStart begins a rule in a small project. A file of testdata holds the arguments as its comment, the project, and
// under want/ the files that are new or changed.
func TestStart(t *testing.T) {
	for _, name := range []string{"testdata/listed.txtar", "testdata/family.txtar"} {
		t.Run(path.Base(name), func(t *testing.T) { testStart(t, name) })
	}
}

func testStart(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, want := map[string]string{}, map[string]string{}
	for _, f := range archive.Files {
		if after, ok := strings.CutPrefix(f.Name, "want/"); ok {
			want[after] = string(f.Data)
		} else {
			before[f.Name] = string(f.Data)
		}
	}
	project := folder(t, before)
	id, rest, _ := strings.Cut(strings.TrimSpace(string(archive.Comment)), " ")
	family, title, _ := strings.Cut(rest, " ")
	if err := start(project, draft{id, family, title}); err != nil {
		t.Fatal(err)
	}
	got := read(t, project.FS())
	for name, text := range got {
		got[name] = strings.ReplaceAll(text, "\n-- ", "\n| ") // a fixture is an archive itself
		if before[name] == text {
			delete(got, name)
		}
	}
	if *update {
		rewrite(t, name, archive, got)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files differ (-want +got):\n%s", diff)
	}
}

func TestStartRefuses(t *testing.T) {
	project := folder(t, map[string]string{
		"internal/rules/memory/oomkilled.go": "var OOMKilled = &diagnosis.Rule{\n\tID:    \"MEM001\",\n}",
	})
	for _, c := range []struct {
		draft
		want string
	}{
		{draft{"MEM1", "memory", "A title"}, "three capitals"},
		{draft{"MEM002", "Memory", "A title"}, "lower case"},
		{draft{"MEM002", "../memory", "A title"}, "lower case"},
		{draft{"MEM002", "memory", ""}, "sentence"},
		{draft{"MEM002", "memory", "A title."}, "full stop"},
		{draft{"MEM001", "memory", "A title"}, "given already, in internal/rules/memory/oomkilled.go"},
	} {
		if err := start(project, c.draft); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("start(%q) = %v, want an error with %q", c.draft, err, c.want)
		}
	}
}

// folder makes a folder with files.
func folder(t *testing.T, files map[string]string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, text := range files {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := root.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// read returns the files below some folders, all without any, by name.
func read(t *testing.T, project fs.FS, below ...string) map[string]string {
	t.Helper()
	if len(below) == 0 {
		below = []string{"."}
	}
	files := map[string]string{}
	for _, top := range below {
		err := fs.WalkDir(project, top, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := fs.ReadFile(project, name)
			files[name] = string(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func rewrite(t *testing.T, name string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want/") })
	for file, text := range got {
		archive.Files = append(archive.Files, txtar.File{Name: "want/" + file, Data: []byte(text)})
	}
	slices.SortFunc(archive.Files, func(a, b txtar.File) int { return strings.Compare(a.Name, b.Name) })
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
