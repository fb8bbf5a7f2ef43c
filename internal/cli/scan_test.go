// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/scan"
)

// TestPipelines: the templates for pipelines are what their readers take, and each command line in them is one of ours.
func TestPipelines(t *testing.T) {
	names, err := filepath.Glob("../../deploy/ci/*")
	if err != nil || len(names) < 5 {
		t.Fatal(names, err)
	}
	commands := 0
	for _, name := range append(names, "../../.pre-commit-hooks.yaml", "../../docs/scan.md") {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".yaml" {
			var v any
			if err := collect.DecodeYAML(data, &v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, line := range regexp.MustCompile(`inquest scan ([^#>|\n'`+"`"+`]*)`).FindAllStringSubmatch(string(data), -1) {
			args := strings.Fields(strings.ReplaceAll(line[1], `"`, ""))
			cmd := (&program{name: "inquest"}).scan()
			if err := cmd.ParseFlags(args); err != nil {
				t.Errorf("%s: inquest scan %s: %v", name, line[1], err)
			}
			commands++
		}
	}
	if commands < 8 {
		t.Errorf("%d command lines found", commands)
	}
	policy, err := os.ReadFile("../../deploy/ci/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scan.ReadPolicy(policy); err != nil {
		t.Errorf("deploy/ci/policy.yaml: %v", err)
	}
}

// TestScanHistory: with a history at hand, what a finding has cost is told first.
func TestScanHistory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "h.db")
	s, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var deaths []history.Death
	for i := range 19 {
		rule := "PRB001"
		if i >= 14 {
			rule = "EXT001"
		}
		of, at := evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(i), time.Date(2026, 1, 1, i, 0, 0, 0, time.UTC)
		deaths = append(deaths, history.Death{
			Cluster: "c", Kind: history.Died, PodUID: "u", Of: of, Workload: evidence.RefTo("StatefulSet", "shop", "web"), Started: at, Finished: at, Seen: at, ExitCode: 1,
			Verdict: &history.Verdict{Rule: rule, Confidence: "certain", Message: "m", Thing: of, Settled: true},
		})
	}
	if err := s.Record(t.Context(), deaths...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(dir, "web.yaml")
	text := "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        image: shop/web:v1\n        livenessProbe: {tcpSocket: {port: 80}}\n"
	if err := os.WriteFile(manifest, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, complaint strings.Builder
	if status := Main(t.Context(), []string{"scan", manifest, "--history", file}, nil, &out, &complaint); status != 0 {
		t.Fatalf("status %d: %s", status, complaint.String())
	}
	if !strings.Contains(out.String(), "this missing startupProbe explains 14 of 19 restarts") {
		t.Errorf("it is not told:\n%s", out.String())
	}
}
