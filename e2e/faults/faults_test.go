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
		t.Run(f.Name, func(t *testing.T) { testFault(t, f) })
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

var ruleID = regexp.MustCompile(`^[A-Z]{3}\d{3}$`)

func testFault(t *testing.T, f Fault) {
	manifest, err := f.Manifest()
	if err != nil {
		t.Error(err)
	}
	if f.About == "" || f.So == nil || (f.Ready != nil && f.Act == nil) {
		t.Error("it needs a line about it, a way to know that it is so, and no wait without an action")
	}
	if pinned := strings.Contains(manifest, "nodeSelector") || strings.Contains(manifest, "nodeName"); f.NeedsNodes && pinned != strings.Contains(manifest, n2) {
		t.Errorf("its pod must run on %s", n2)
	}
	kind, name, _ := strings.Cut(f.Ask, "/")
	if !slices.Contains([]string{"pod", "deploy", "rs", "sts", "ds", "job", "cj", "pvc", "node"}, kind) || kind != "node" && !strings.Contains(manifest, "metadata: {name: "+name+"}") &&
		!strings.Contains(manifest, "name: "+name+"\n") {
		t.Errorf("its manifest has no %s", f.Ask)
	}
	for _, id := range f.Want {
		if !ruleID.MatchString(id) {
			t.Errorf("%q is no rule id", id)
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
