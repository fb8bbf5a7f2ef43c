// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected reports in testdata/scenarios")

// TestScenarios runs the whole rule set over incidents recorded from the lab and compares the report that a person
// reads. These are the only goldens that see all rules together.
func TestScenarios(t *testing.T) {
	names, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d scenarios, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			r := diagnosis.Examine(ruletest.Read(t, archive), rules.All())
			got := report.Text([]report.Report{report.New(r)}, report.Options{Wide: true})
			if *rewrite {
				replace(t, name, archive, got)
				return
			}
			if diff := cmp.Diff(string(expected(archive).Data), got); diff != "" {
				t.Errorf("report differs (-want +got):\n%s", diff)
			}
		})
	}
}

// expected returns the file of the archive that holds the expected report, and adds it where there is none.
func expected(archive *txtar.Archive) *txtar.File {
	for i := range archive.Files {
		if archive.Files[i].Name == "report.txt" {
			return &archive.Files[i]
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: "report.txt"})
	return &archive.Files[len(archive.Files)-1]
}

func replace(t *testing.T, name string, archive *txtar.Archive, report string) {
	t.Helper()
	expected(archive).Data = []byte(report)
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestSameEvidenceSameReport is the promise of byte identity, over every scenario, a hundred times. That another time
// zone and locale change nothing is for the tests of the command line, which can set them.
func TestSameEvidenceSameReport(t *testing.T) {
	names, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s := ruletest.Read(t, archive)
		want := encode(t, s)
		for n := range 100 {
			if diff := cmp.Diff(want, encode(t, s)); diff != "" {
				t.Fatalf("%s: run %d differs:\n%s", name, n, diff)
			}
		}
	}
}

func encode(t *testing.T, s *evidence.Snapshot) string {
	t.Helper()
	r := []report.Report{report.New(diagnosis.Examine(s, rules.All()))}
	data, err := report.JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + report.Text(r, report.Options{Wide: true}) + report.Markdown(r, nil)
}
