// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// printed is what kubectl get pods,events,nodes,secrets -o yaml prints, in short.
const printed = `apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: web-0, namespace: shop}, spec: {containers: [{name: app, image: web}]}}
- {apiVersion: v1, kind: Event, metadata: {name: e1, namespace: shop}, involvedObject: {kind: Pod, name: web-0, namespace: shop}, reason: Killing}
- {apiVersion: v1, kind: Node, metadata: {name: n1}}
- {apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}, data: {password: aHVudGVyMg==}}
- {apiVersion: example.com/v1, kind: Gizmo, metadata: {name: g}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
`

func noon() time.Time { return time.Date(2026, 8, 24, 12, 0, 0, 5, time.UTC) }

// pileOf reads texts by their names, and returns what was noticed.
func pileOf(t testing.TB, files map[string]string) (*evidence.Snapshot, []string, error) {
	t.Helper()
	var notices []string
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := Open(dir, Reading{Now: noon, Notice: func(s string) { notices = append(notices, s) }})
	if err != nil {
		return nil, nil, err
	}
	s, err := source.Snapshot(t.Context(), evidence.Selection{})
	return s, notices, err
}

// pipeOf reads a text from a pipe.
func pipeOf(t testing.TB, text string) (*evidence.Snapshot, error) {
	t.Helper()
	source, err := OpenPipe(strings.NewReader(text), Reading{Now: noon})
	if err != nil {
		return nil, err
	}
	return source.Snapshot(t.Context(), evidence.Selection{})
}

func namesOf(s *evidence.Snapshot) string {
	var names []string
	for _, o := range s.Objects {
		names = append(names, evidence.RefOf(o).String())
	}
	return strings.Join(names, " ")
}

func TestPipedObjects(t *testing.T) {
	s, err := pipeOf(t, printed)
	if err != nil {
		t.Fatal(err)
	}
	if want := evidence.Spec | evidence.Status | evidence.Events | evidence.Node; s.Has != want {
		t.Errorf("has %s, want %s", s.Has, want)
	}
	if got := namesOf(s); got != "deployment/web node/n1 pod/web-0" {
		t.Errorf("objects are %s", got)
	}
	if len(s.EventsAbout(evidence.RefTo("Pod", "shop", "web-0"))) != 1 {
		t.Errorf("the Event is not about the pod: %v", s.Events)
	}
	if !s.Taken.Equal(noon().Truncate(time.Second)) {
		t.Errorf("taken %s", s.Taken)
	}
}

func TestOpenPipe(t *testing.T) {
	bundle := "-- meta.yaml --\nformat: 1\ntaken: 2026-08-24T10:00:00Z\nhas: [spec]\n"
	var zip bytes.Buffer
	if err := WriteZip(&zip, map[string][]byte{"meta.yaml": []byte("format: 1\n")}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text   string
		bundle bool
	}{
		"yaml": {printed, false}, "txtar": {bundle, true}, "txtar with a note": {"a note\n" + bundle, true},
		"zip": {zip.String(), true}, "empty": {"", false},
	} {
		source, err := OpenPipe(strings.NewReader(c.text), Reading{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, isBundle := source.(Bundle); isBundle != c.bundle {
			t.Errorf("%s is taken for a %T", name, source)
		}
	}
}

func TestNothingRecognised(t *testing.T) {
	for name, text := range map[string]string{
		"no kind": "a: b", "no object": "- a", "no text": "", "blank": " \n\n", "wrong type": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: 3",
		"binary": "\x7fELF\x00\x00", "json": `{"a": 1}`,
	} {
		if _, err := pipeOf(t, text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// TestLogsAlone are an answer of their own: what they hold is a pod's that nothing else is known of.
func TestLogsAlone(t *testing.T) {
	s, _, err := pileOf(t, map[string]string{"web-0.log": "INFO up\npanic: no luck\n", "My App (previous).txt": "INFO up\nERROR no luck\n"})
	if err != nil {
		t.Fatal(err)
	}
	if got := namesOf(s); got != "pod/my-app-previous pod/web-0" || len(s.Logs) != 2 || s.Has != evidence.Logs {
		t.Errorf("objects are %s, %d logs, has %s", got, len(s.Logs), s.Has)
	}
	for _, pod := range evidence.List[*corev1.Pod](s) {
		if gap, lacks := s.Missing(evidence.Status, evidence.RefOf(pod)); lacks == 0 || gap.Why != onlyItsLog {
			t.Errorf("what is missing of %s is %q", pod.Name, gap.Why)
		}
	}
}

// TestForgedKernelLog: what is named after a pod is the pod's, whatever it looks like.
func TestForgedKernelLog(t *testing.T) {
	kernel := "[  110.000000] VFS: file-max limit 10 reached\n"
	for name, facts := range map[string]int{"web-0/app.log": 0, "web-0.dmesg": 1, "n1.log": 1} {
		s, _, err := pileOf(t, map[string]string{"all.yaml": printed, name: kernel})
		if err != nil || len(s.Facts) != facts || len(s.Logs) != 1-facts {
			t.Errorf("%s: %d facts, %d logs, error %v", name, len(s.Facts), len(s.Logs), err)
		}
	}
}

func FuzzPile(f *testing.F) {
	f.Add([]byte(printed))
	f.Add([]byte(`{"kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}, null]}`))
	f.Add([]byte(`{"type":"ADDED","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := pipeOf(t, string(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %q", err)
			}
			return
		}
		for _, pod := range evidence.List[*corev1.Pod](s) {
			s.Deaths(evidence.RefOf(pod))
		}
	})
}
