// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestFaults(t *testing.T) {
	named := map[string]bool{}
	for _, f := range All() {
		if named[f.Name] {
			t.Errorf("fault %s is there twice", f.Name)
		}
		named[f.Name+".yaml"], named[f.Name] = true, true
		manifest, err := f.Manifest()
		if err != nil {
			t.Error(err)
		}
		if f.About == "" || f.So == nil || (f.Ready != nil && f.Act == nil) {
			t.Errorf("fault %s: it needs a line about it, a way to know that it is so, and no wait without an action", f.Name)
		}
		if f.NeedsNodes && strings.Contains(manifest, "nodeSelector") != strings.Contains(manifest, n2) {
			t.Errorf("fault %s: its pod must run on %s", f.Name, n2)
		}
		kind, name, _ := strings.Cut(f.Ask, "/")
		if !slices.Contains([]string{"pod", "deploy", "job"}, kind) || !strings.Contains(manifest, "metadata: {name: "+name+"}") &&
			!strings.Contains(manifest, "name: "+name+"\n") {
			t.Errorf("fault %s: its manifest has no %s", f.Name, f.Ask)
		}
		for _, id := range f.Want {
			if !regexp.MustCompile(`^[A-Z]{3}\d{3}$`).MatchString(id) {
				t.Errorf("fault %s: %q is no rule id", f.Name, id)
			}
		}
	}
	entries, err := files.ReadDir("manifests")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !named[e.Name()] {
			t.Errorf("manifest %s belongs to no fault", e.Name())
		}
	}
}

func TestFind(t *testing.T) {
	if f, err := Find("oom-limit"); err != nil || f.Benign() {
		t.Errorf("Find(oom-limit) = %v, %v", f.Name, err)
	}
	if _, err := Find("oom"); err == nil || !strings.Contains(err.Error(), "oom-limit") {
		t.Errorf("Find(oom) = %v, expected an error that names the faults", err)
	}
}
