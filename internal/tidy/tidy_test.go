// SPDX-License-Identifier: Apache-2.0

package tidy

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// checks are all that is demanded of the source. Each returns its problems as "file:line: what, and the remedy".
var checks = []struct {
	name string
	run  func(*tree) []string
}{
	{"imports", imports},
	{"purity", purity},
	{"sizes", sizes},
	{"medians", medians},
	{"documented", documented},
	{"bans", bans},
	{"text", plainText},
	{"links", links},
	{"families", families},
}

// TestProject holds this project to its checks.
func TestProject(t *testing.T) {
	project, err := load(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	if len(project.files) < 50 {
		t.Fatalf("found only %d Go files: this test looks at the wrong folder", len(project.files))
	}
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) {
			for _, problem := range check.run(project) {
				t.Error(problem)
			}
		})
	}
}

// TestChecks holds the checks to small projects with every fault in them. A file of testdata is named after the check
// that it is for; its file want lists the problems that this check is to find.
func TestChecks(t *testing.T) {
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) {
			file := filepath.Join("testdata", check.name+".txtar")
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
			if i < 0 {
				t.Fatalf("%s has no file want", file)
			}
			got := strings.Join(check.run(project(t, archive)), "\n") + "\n"
			if *update {
				archive.Files[i].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[i].Data), got); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

func project(t *testing.T, archive *txtar.Archive) *tree {
	t.Helper()
	files, err := txtar.FS(archive)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}
