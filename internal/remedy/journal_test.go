// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

func TestJournal(t *testing.T) {
	j := &Journal{File: filepath.Join(t.TempDir(), "state", "audit.jsonl"), Cluster: "https://10.0.0.1"}
	if _, err := j.Find("a"); err == nil || !strings.Contains(err.Error(), "there is no audit file") {
		t.Errorf("of no file: %v", err)
	}
	r := &Record{ID: "a", State: Begun, Type: diagnosis.Strategic, Patch: []byte(`{"spec":{"paused":false}}`), Object: Object{"Deployment", "shop", "web", "u"}}
	for _, state := range []State{Begun, Applied} {
		r.State = state
		if err := j.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Write(&Record{ID: "b", State: Failed, Patch: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	got, err := j.Find("a")
	if err != nil {
		t.Fatal(err)
	}
	r.Cluster = j.Cluster
	if diff := cmp.Diff(r, got); diff != "" {
		t.Errorf("the last state of an act is another than was written:\n%s", diff)
	}
	if _, err := j.Find("c"); err == nil || !strings.Contains(err.Error(), "no act c") {
		t.Errorf("of no such act: %v", err)
	}
	info, err := os.Stat(j.File)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: others may read what was set before: %v", err, info.Mode())
	}
}

// TestJournalFails: an act without a line is none, so what keeps the line from being written is said.
func TestJournalFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j := &Journal{File: filepath.Join(file, "audit.jsonl")}
	if err := j.Write(&Record{ID: "a", Patch: []byte("{}")}); err == nil {
		t.Error("it was written into a file as if that were a folder")
	}
}

func TestKustomize(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "fix")
	file, entry, err := Kustomize(folder, raising())
	if err != nil || entry != "" {
		t.Fatalf("%v: %q", err, entry)
	}
	patch, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
      - name: app
        resources:
          limits:
            memory: 128Mi
`
	if diff := cmp.Diff(want, string(patch)); diff != "" {
		t.Error(diff)
	}
	ops := raising()
	ops.Target.Name, ops.Type, ops.Data = "api", diagnosis.JSONPatch, `[{"op":"remove","path":"/spec/paused"}]`
	file, entry, err = Kustomize(folder, ops)
	if err != nil || !strings.Contains(entry, "path: deployment-api.yaml") {
		t.Fatalf("%v: the kustomization that was there is not told what it lacks: %q", err, entry)
	}
	if patch, err = os.ReadFile(file); err != nil || string(patch) != "- op: remove\n  path: /spec/paused\n" {
		t.Errorf("%v: %s", err, patch)
	}
	if _, _, err := Kustomize(folder, ops); err == nil {
		t.Error("a file was written over")
	}
	ops.Target.Name = "../web"
	if _, _, err := Kustomize(folder, ops); err == nil {
		t.Error("a name has led out of the folder")
	}
}
