// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
)

// TestOnePath is the promise that there is one path: for every fixture of every rule, the causes found through a bundle
// are those found through a cluster that holds the same objects, Events and logs; and the whole report through that
// cluster is the report through the bundle that it gives. Gaps of the fixture itself are its own: it may be trimmed.
func TestOnePath(t *testing.T) {
	names, err := filepath.Glob("../rules/*/testdata/[A-Z]*.txtar")
	if err != nil || len(names) < 50 {
		t.Fatalf("%d fixtures, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s := ruletest.Read(t, archive)
			server := apitest.New(t, s)
			source := collect.Cluster{Config: server.Config(), Now: func() time.Time { return s.Taken }}
			got, err := source.Snapshot(t.Context(), evidence.Selection{Ref: s.Subject, Namespace: s.Subject.Namespace})
			if err != nil {
				t.Fatal(err)
			}
			live, bare := examine(got), *s
			bare.Facts = nil // of the kernel, the kubelet and metrics: they have no object that a cluster could hold
			if diff := cmp.Diff(encode(t, examine(&bare).Causes), encode(t, live.Causes)); diff != "" {
				t.Errorf("causes differ (-bundle +cluster):\n%s", diff)
			}
			files, err := collect.Files(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(encode(t, live), encode(t, examine(ruletest.Read(t, ruletest.Archive(files))))); diff != "" {
				t.Errorf("reports differ (-cluster +bundle):\n%s", diff)
			}
		})
	}
}

func examine(s *evidence.Snapshot) report.Report {
	return report.New(diagnosis.Examine(s, rules.All()))
}

func encode(t *testing.T, v any) string {
	t.Helper()
	js, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(js)
}
