// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// caseFiles are two deaths of web-0 and between them one of web-1. The bundles of web-0 have web-1 too.
func caseFiles() map[string][]byte {
	files := map[string][]byte{incidentFile: []byte(`{"Incident":{"ID":"x"},"LeftOut":4}`)}
	for number, pod := range map[int]string{8: "web-0", 9: "web-1", 10: "web-0"} {
		folder := fmt.Sprintf("death-%d/", number)
		files[folder+"meta.yaml"] = fmt.Appendf(nil, "format: 1\ntaken: 2026-05-01T%02d:00:00Z\nhas: [spec, status]\nasked: [{kind: Pod, namespace: shop, name: %s}]\n", number, pod)
		files[folder+"report.json"] = []byte(`{}`)
		for _, name := range []string{pod, "web-1"} {
			files[folder+"objects/shop/pod/"+name+".yaml"] = fmt.Appendf(nil, "apiVersion: v1\nkind: Pod\nmetadata: {namespace: shop, name: %s}\n", name)
		}
	}
	return files
}

// TestCase: of the bundles of an incident the latest is asked, or the one of what is named, and who asks is told of the others.
func TestCase(t *testing.T) {
	pod := func(name string) evidence.Selection {
		return evidence.Selection{Ref: evidence.RefTo("Pod", "", name)}
	}
	for _, form := range []string{"case.zip", "case.tar.gz", "case"} {
		file := filepath.Join(t.TempDir(), form)
		if err := WriteArchive(file, caseFiles()); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name string
			sel  evidence.Selection
			hour int
			says string
		}{
			{"", evidence.Selection{}, 10, "has 3 bundles; asked was death-10 of pod/web-0 at 2026-05-01T10:00:00Z, and the others are death-9 of pod/web-1 at 2026-05-01T09:00:00Z, death-8 of"},
			{"", evidence.Selection{AllNamespaces: true}, 10, "--from " + filepath.Join(file, "death-9") + "; the evidence of 4 earlier deaths was left out"},
			{"", pod("web-1"), 9, "asked was death-9 of pod/web-1"},
			{"", pod("web-0"), 10, "asked was death-10"},
			{"death-8", evidence.Selection{}, 8, ""},
		} {
			s, said, err := askCase(t, filepath.Join(file, tt.name), tt.sel)
			if err != nil || s.Taken.Hour() != tt.hour || !strings.Contains(said, tt.says) || (tt.says == "") != (said == "") {
				t.Errorf("%s %v: %v, said %q", tt.name, tt.sel, err, said)
			}
		}
		if _, _, err := askCase(t, file, pod("web-7")); err == nil || !strings.Contains(err.Error(), "there is no pod web-7") {
			t.Errorf("a pod that is in none: %v", err)
		}
	}
}

// askCase asks what is called name, and returns what was said beside the answer.
func askCase(t *testing.T, name string, sel evidence.Selection) (s *evidence.Snapshot, said string, err error) {
	t.Helper()
	source, err := Open(name, Reading{Notice: func(text string) { said += text }})
	if err != nil {
		t.Fatal(err)
	}
	s, err = source.Snapshot(t.Context(), sel)
	return s, said, err
}

// TestCasePiped: a case is read from a pipe, and with the folder that it was packed with.
func TestCasePiped(t *testing.T) {
	wrapped := map[string][]byte{}
	for name, data := range caseFiles() {
		wrapped["case/"+name] = data
	}
	for _, files := range []map[string][]byte{caseFiles(), wrapped} {
		var b bytes.Buffer
		if err := WriteZip(&b, files); err != nil {
			t.Fatal(err)
		}
		var source diagnosis.Source
		source, err := OpenPipe(&b, Reading{})
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := source.(*Case); !ok || len(c.Bundles) != 3 {
			t.Errorf("it is %T", source)
		}
	}
}

// TestCaseRefuses: what is asked for and is not there, and a bundle that cannot be read, are named.
func TestCaseRefuses(t *testing.T) {
	dir := t.TempDir()
	good, torn, none := filepath.Join(dir, "good.zip"), filepath.Join(dir, "torn.zip"), filepath.Join(dir, "none")
	broken := caseFiles()
	broken["death-9/meta.yaml"] = []byte("format: 9\ntaken: [")
	for file, files := range map[string]map[string][]byte{good: caseFiles(), torn: broken} {
		if err := WriteArchive(file, files); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(none, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		filepath.Join(good, "death-7"):     "there is no death-7 in " + good + ", it has death-10, death-9, death-8",
		torn:                               "read bundle " + torn + ": death-9: read meta.yaml",
		filepath.Join(none, "death-7"):     "read " + filepath.Join(none, "death-7"),
		filepath.Join(dir, "gone/death-7"): "no such file",
	} {
		if _, err := Open(name, Reading{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, expected %q", name, err, says)
		}
	}
}
