// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/kubeinquest/inquest/internal/report"
)

// recordings is where what kubectl printed of incidents in the lab is kept: the same incident as objects and as text.
const recordings = "../collect/testdata/text"

// TestTextSaysWhatObjectsSay asks about each recorded incident twice, and gets the same answer.
func TestTextSaysWhatObjectsSay(t *testing.T) {
	files, err := filepath.Glob(recordings + "/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			dir := unpack(t, file)
			objects, text := said(t, filepath.Join(dir, "yaml")), said(t, filepath.Join(dir, "text"))
			if diff := cmp.Diff(objects, text); diff != "" {
				t.Errorf("of the text something else is said (-objects +text):\n%s", diff)
			}
			said(t, filepath.Join(dir, "more"))
		})
	}
}

func unpack(t *testing.T, file string) string {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range ar.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// said returns the causes that are found in a folder, and what is undetermined, without times.
func said(t *testing.T, folder string) []string {
	t.Helper()
	var out, notes bytes.Buffer
	if status := Main(t.Context(), []string{"why", "--from", folder, "-o", "json"}, nil, &out, &notes); status != 0 {
		t.Fatalf("why --from %s: exit status %d, %s", folder, status, notes.String())
	}
	var r report.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	var list []string
	var add func(depth int, causes []report.Cause)
	add = func(depth int, causes []report.Cause) {
		for _, c := range causes {
			list = append(list, fmt.Sprintf("%d %s %s %s/%s[%s]: %s", depth, c.Rule, c.Confidence, c.About.Kind, c.About.Name, c.About.Container, c.Message))
			add(depth+1, c.Leads)
		}
	}
	add(0, r.Causes)
	for _, u := range r.Undetermined {
		list = append(list, "undetermined: "+u.Message)
	}
	return list
}
