// SPDX-License-Identifier: Apache-2.0

// Package ruletest is the harness that every family of rules calls. Fixtures are bundles as txtar files in testdata,
// named after the rule (MEM001.txtar, MEM001-nolimit.txtar), with the expectation inside: the file want holds the
// findings, and fixed/… each object as a fix's patch leaves it. An empty want is a near miss: the rule stays silent.
// Rules about manifests have the file manifest.yaml instead. Every rule has at least one fixture of each sort. Run tests with -update to rewrite want and fixed/….
package ruletest

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// Run checks a family: its rules are valid, sorted and all listed; each fires on its fixtures as they expect and
// stays silent on its near misses; it uses the evidence that it declares, no more and no less; its patches apply; and
// the same fixture gives the same findings twice and after a round trip through a bundle.
// Rules about what is written, and not yet run, are a list of their own beside those about what has happened.
func Run(t *testing.T, lists ...[]*diagnosis.Rule) {
	t.Helper()
	rules := slices.Concat(lists...)
	if err := diagnosis.Validate(rules); err != nil {
		t.Error(err)
	}
	if !slices.IsSortedFunc(rules, func(a, b *diagnosis.Rule) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("the list of rules is not in order of id")
	}
	for _, name := range forgotten(t, len(rules)) {
		t.Errorf("rule %s is declared in this folder and missing from the list", name)
	}
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		t.Run(r.ID, func(t *testing.T) { runRule(t, r, fixturesOf(r, names)) })
	}
	for _, name := range names {
		if !slices.ContainsFunc(rules, func(r *diagnosis.Rule) bool { return belongs(r, name) }) {
			t.Errorf("%s belongs to no rule: its name must begin with the id of one", name)
		}
	}
}

func fixturesOf(r *diagnosis.Rule, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !belongs(r, name) })
}

func belongs(r *diagnosis.Rule, name string) bool {
	base := strings.TrimSuffix(filepath.Base(name), ".txtar")
	return base == r.ID || strings.HasPrefix(base, r.ID+"-")
}

func runRule(t *testing.T, r *diagnosis.Rule, names []string) {
	var fires, silent int
	var used evidence.Kind
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			result := runFixture(t, r, name)
			used |= result.Used
			if len(result.Findings) > 0 {
				fires++
			} else {
				silent++
			}
		})
	}
	if fires == 0 || silent == 0 {
		t.Errorf("%d fixtures fire and %d are near misses; there must be one of each", fires, silent)
	}
	if extra := used &^ (r.Needs | r.Also); extra != 0 {
		t.Errorf("the rule uses %s and does not declare it", extra)
	}
	if idle := (r.Needs | r.Also) &^ used; idle != 0 && len(names) > 0 {
		t.Errorf("the rule declares %s and uses it in no fixture", idle)
	}
}

// runFixture runs one rule over one fixture and compares with what the fixture expects.
func runFixture(t *testing.T, r *diagnosis.Rule, name string) diagnosis.Result {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := Read(t, archive)
	result := diagnosis.Run(s, []*diagnosis.Rule{r})
	for _, skip := range result.Skipped {
		if skip.Missing == 0 {
			t.Errorf("%s: %s", skip.About, skip.Why)
		}
	}
	got := Format(result.Findings)
	if again := Format(diagnosis.Run(s, []*diagnosis.Rule{r}).Findings); again != got {
		t.Errorf("two runs differ:\n%s", cmp.Diff(got, again))
	}
	if after := Format(diagnosis.Run(roundTrip(t, s), []*diagnosis.Rule{r}).Findings); after != got {
		t.Errorf("a round trip through a bundle changes the findings:\n%s", cmp.Diff(got, after))
	}
	fixed := applyFixes(t, s, result.Findings)
	if *update {
		rewrite(t, name, archive, got, fixed)
		return result
	}
	if diff := cmp.Diff(string(file(archive, "want")), got); diff != "" {
		t.Errorf("findings differ (-want +got):\n%s", diff)
	}
	for path, object := range fixed {
		if diff := cmp.Diff(string(file(archive, path)), string(object)); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", path, diff)
		}
	}
	return result
}

// Read reads the bundle in a txtar fixture, or the manifests where it has a file manifest.yaml.
func Read(t *testing.T, archive *txtar.Archive) *evidence.Snapshot {
	t.Helper()
	if text := file(archive, "manifest.yaml"); text != nil {
		var all []*collect.Manifest
		collect.ManifestReader{File: "manifest.yaml", Namespace: "shop", Strangers: true}.Read(text, func(m *collect.Manifest) { all = append(all, m) })
		s := collect.SnapshotOf(all...)
		s.Taken = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // which a bundle must say
		return s
	}
	files, err := txtar.FS(archive)
	if err != nil {
		t.Fatal(err)
	}
	s, err := collect.Bundle{FS: files}.Snapshot(t.Context(), evidence.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func roundTrip(t *testing.T, s *evidence.Snapshot) *evidence.Snapshot {
	t.Helper()
	files, err := collect.Files(s)
	if err != nil {
		t.Fatal(err)
	}
	again := Read(t, Archive(files))
	rewritten, err := collect.Files(again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, rewritten); diff != "" {
		t.Errorf("a round trip changes the bundle:\n%s", diff)
	}
	return again
}

// Archive returns the files of a bundle as a txtar archive, sorted by name.
func Archive(files map[string][]byte) *txtar.Archive {
	archive := &txtar.Archive{}
	for name, data := range files {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
	}
	slices.SortFunc(archive.Files, func(a, b txtar.File) int { return strings.Compare(a.Name, b.Name) })
	return archive
}

func file(archive *txtar.Archive, name string) []byte {
	for _, f := range archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// rewrite replaces the expectations in a fixture and keeps everything else.
func rewrite(t *testing.T, name string, archive *txtar.Archive, want string, fixed map[string][]byte) {
	t.Helper()
	archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool {
		return f.Name == "want" || strings.HasPrefix(f.Name, "fixed/")
	})
	fixed["want"] = []byte(want)
	archive.Files = append(archive.Files, Archive(fixed).Files...)
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if data := txtar.Format(archive); !bytes.Equal(data, old) {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var declared = regexp.MustCompile(`(?m)^var (\w+) = (?:&diagnosis\.Rule\{|\w+\()`)

// forgotten returns the rule variables of the package's files that a list of n rules cannot hold. The family's list
// names each variable, so a variable that the package's list file does not name is a forgotten one.
func forgotten(t *testing.T, n int) []string {
	t.Helper()
	var names []string
	var all strings.Builder
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(source)
		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			names = append(names, m[1])
		}
	}
	var listed []string
	for _, name := range []string{"Rules", "Manifests", "Sets"} {
		_, list, _ := strings.Cut(all.String(), "var "+name+" = []*diagnosis.Rule{")
		list, _, _ = strings.Cut(list, "}")
		listed = append(listed, strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '\n' || r == '\t' || r == ' ' })...)
	}
	if len(listed) != n {
		t.Errorf("var Rules, var Manifests and var Sets name %d rules, the test was given %d", len(listed), n)
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(listed, name) })
}
