// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionIsThatOfTheModule(t *testing.T) {
	mod, err := os.ReadFile("../../hyperkube/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "k8s.io/kubernetes "+KubernetesVersion+"\n") {
		t.Errorf("hyperkube/go.mod does not ask for %s", KubernetesVersion)
	}
}

func TestDirectoryFollowsTheKey(t *testing.T) {
	seen := map[string][]string{}
	for _, key := range [][]string{{"a", "b"}, {"ab"}, {"b", "a"}, {"a", "b", ""}, nil} {
		dir := part{name: "p", key: key}.directory("/cache")
		if other, ok := seen[dir]; ok {
			t.Errorf("%q and %q share %s", key, other, dir)
		}
		seen[dir] = key
		if dir != (part{name: "p", key: key}).directory("/cache") {
			t.Errorf("%q has two directories", key)
		}
	}
}

func TestEnsureKeepsOnlyWhatIsComplete(t *testing.T) {
	var log bytes.Buffer
	c := &Cache{Dir: t.TempDir(), Log: &log}
	broken := errors.New("no disk")
	made := 0
	p := part{name: "p", make: func(_ context.Context, dir string) error {
		made++
		if made == 1 {
			return broken
		}
		return os.WriteFile(filepath.Join(dir, "program"), nil, 0o755)
	}}
	if _, err := c.ensure(t.Context(), p); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	for range 2 {
		dir, err := c.ensure(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "program")); err != nil {
			t.Error(err)
		}
	}
	if made != 2 {
		t.Errorf("made %d times, want once in vain and once for good", made)
	}
}

func TestContentsLeaveTestsOut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.go", "a.go", "a_test.go"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("package "+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := contents(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := "a.go|package a.go|b.go|package b.go"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFindSource(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	lab := filepath.Dir(filepath.Dir(here))
	for _, from := range []string{here, lab, filepath.Dir(lab)} {
		if got := FindSource(from); got != lab {
			t.Errorf("from %s: %q, want %q", from, got, lab)
		}
	}
	if got := FindSource(t.TempDir()); got != "" {
		t.Errorf("found sources in an empty directory: %s", got)
	}
}

func TestAllNeedsTheSources(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	if err := c.All(t.Context()); !errors.Is(err, ErrNoSource) {
		t.Errorf("got %v", err)
	}
}

func TestForeign(t *testing.T) {
	own, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	before, err := elf.NewFile(bytes.NewReader(own))
	if err != nil {
		t.Fatal(err)
	}
	after, err := elf.NewFile(bytes.NewReader(foreign(own)))
	if err != nil {
		t.Fatal(err)
	}
	if before.Machine == after.Machine {
		t.Errorf("still for %s", after.Machine)
	}
}

// TestQuiet: the command that is named is run, with its words.
func TestQuiet(t *testing.T) {
	dir := t.TempDir()
	if err := quiet(t.Context(), dir, "touch", "made"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
		t.Error(err)
	}
	if err := quiet(t.Context(), dir, "ls", "absent"); err == nil || !strings.HasPrefix(err.Error(), "ls: ") || !strings.Contains(err.Error(), "absent") {
		t.Errorf("got %v, expected what ls says of absent", err)
	}
}
