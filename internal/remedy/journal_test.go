// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic/fake"

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
	before, err := os.Stat(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	j.File = os.DevNull
	if err := j.Write(&Record{ID: "a", Patch: []byte("{}")}); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("of a device: %v", err)
	}
	if after, err := os.Stat(os.DevNull); err != nil || after.Mode() != before.Mode() {
		t.Errorf("%v, a device was closed to others: %s", err, after.Mode())
	}
	j.File = filepath.Join(file, "audit.jsonl")
	s := newStore(t, func(*fake.FakeDynamicClient, *unstructured.Unstructured) error {
		t.Error("the object was changed")
		return nil
	})
	if _, _, err := s.Apply(t.Context(), s.plan, j); err == nil || !strings.HasSuffix(err.Error(), "nothing was changed") {
		t.Errorf("an act without a line: %v", err)
	}
}

// TestJournalTorn: a line that was not written to its end costs none but itself.
func TestJournalTorn(t *testing.T) {
	j := &Journal{File: filepath.Join(t.TempDir(), "audit.jsonl")}
	if err := os.WriteFile(j.File, []byte(`{"id":"a","state":"be`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.Write(&Record{ID: "b", State: Begun, Patch: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if got, err := j.Find("b"); err != nil || got.State != Begun {
		t.Errorf("%v: the journal has %+v", err, got)
	}
}
