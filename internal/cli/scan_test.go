// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
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
	if _, err := scan.ReadPolicy(policy, slices.Concat(rules.Manifests(), rules.Sets())); err != nil {
		t.Errorf("deploy/ci/policy.yaml: %v", err)
	}
}

// TestHook: the hook for pre-commit scans folders. Of single files those that are no manifests would fail, and charts be read unrendered.
func TestHook(t *testing.T) {
	data, err := os.ReadFile("../../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var hooks []struct {
		Entry string   `json:"entry"`
		Args  []string `json:"args"`
		Pass  *bool    `json:"pass_filenames"`
	}
	if err := collect.DecodeYAML(data, &hooks); err != nil || len(hooks) != 1 {
		t.Fatal(hooks, err)
	}
	h := hooks[0]
	if h.Pass == nil || *h.Pass || len(h.Args) == 0 {
		t.Fatalf("it is given the names of files: %+v", h)
	}
	t.Chdir("../..")
	command := append(strings.Fields(h.Entry), h.Args...)
	var out, notes strings.Builder
	t.Setenv("PATH", "") // the kustomizations of deploy need a program
	if status := Main(t.Context(), command[1:], strings.NewReader(""), &out, &notes); status != statusTrouble || !strings.Contains(notes.String(), "deploy/server") {
		t.Errorf("%v: exit status %d: %s", command, status, &notes)
	}
}

// TestScanIncomplete: a tool that is missing or fails, a report that cannot be read, and a chart that nothing renders, are no good news, in one
// sentence.
func TestScanIncomplete(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(dir, "a.yaml"):       "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
		filepath.Join(dir, "c/Chart.yaml"): "name: c\n",
		filepath.Join(dir, "half.json"):    `{"Results": [`,
		filepath.Join(dir, "none.json"):    "",
		filepath.Join(dir, "other.json"):   `{"check_type": "kubernetes", "results": {"failed_checks": []}}`,
		filepath.Join(bin, "trivy"):        "#!/bin/sh\necho '{\"Results\": []}'\n",
		filepath.Join(bin, "kube-linter"):  "#!/bin/sh\necho '{\"Checks\": [], \"Reports\": []}'\nexit 1\n",
		filepath.Join(bin, "semgrep"):      "#!/bin/sh\necho '{\"results\": [], \"errors\": [{\"level\": \"error\"}]}'\nexit 7\n",
		filepath.Join(bin, "checkov"):      "#!/bin/sh\nexit 0\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Chdir(dir)
	for _, c := range []struct {
		path, with, want string
		status           int
	}{
		{"a.yaml", "trivy", "", 0},
		{"a.yaml", "kube-linter", "", 0},
		{"a.yaml", "semgrep", "ask semgrep: exit status 7\n", 2},
		{"a.yaml", "checkov", "ask checkov: it printed no report", 2},
		{"a.yaml", "eslint", "ask eslint: eslint is not installed: install it, or name its report with --with eslint=FILE", 2},
		{"a.yaml", "trivy=gone.json", "read the report of trivy: open gone.json: no such file or directory", 2},
		{"a.yaml", "trivy=half.json", "read the report of trivy: it ends in the middle: have the tool write it again", 2},
		{"a.yaml", "trivy=none.json", "read the report of trivy: it is empty: see what the tool said when it was to write it", 2},
		{"a.yaml", "trivy=other.json", "read the report of trivy: it is one of checkov: name it with --with checkov=FILE", 2},
		{"", "trivy", "c cannot be rendered: helm is not installed; install it, or render the folder elsewhere and pipe that to scan -", 2},
	} {
		var out, complaint strings.Builder
		status := Main(t.Context(), []string{"scan", filepath.Join(dir, c.path), "--fail-on", "error", "--with", c.with}, nil, &out, &complaint)
		said := complaint.String()
		if status != c.status || !strings.Contains(said, c.want) || strings.Count(said, "\n") != min(1, c.status) {
			t.Errorf("%s with %s: status %d, %s", c.path, c.with, status, said)
		}
	}
}

// TestScanPartly: what a tool found before it failed is told, and counts.
func TestScanPartly(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\nfor last; do :; done\ncase $last in *b.yaml) echo broken >&2; exit 1;; esac\n" +
		`echo '{"Results": [{"Target": "a.yaml", "Misconfigurations": [{"ID": "KSV-0999", "Severity": "LOW", "Message": "found in a"}]}]}'` + "\n"
	for name, text := range map[string]string{
		filepath.Join(dir, "a.yaml"):  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
		filepath.Join(dir, "b.yaml"):  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
		filepath.Join(bin, "trivy"):   script,
		filepath.Join(bin, "semgrep"): "#!/bin/sh\necho '{\"results\": [{\"check_id\": \"x\", \"path\": \"a.yaml\", \"extra\": {\"message\": \"found in a\"}}], \"errors\": []}'\nexit 2\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Chdir(dir)
	for tool, want := range map[string]string{"trivy": "ask trivy: exit status 1: broken\n", "semgrep": "ask semgrep: exit status 2\n"} {
		var out, complaint strings.Builder
		status := Main(t.Context(), []string{"scan", "a.yaml", "b.yaml", "--fail-on", "error", "--with", tool}, nil, &out, &complaint)
		if status != statusTrouble || !strings.HasSuffix(complaint.String(), want) || !strings.Contains(out.String(), "found in a") {
			t.Errorf("%s: status %d, %s\n%s", tool, status, &complaint, &out)
		}
	}
}

// TestToolSlow: a tool that does not end is ended, and it is said what to do instead.
func TestToolSlow(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "eslint"), []byte("#!/bin/sh\nwhile :; do :; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	_, err := runTool(t.Context(), "eslint", []string{"a.js"}, 10*time.Millisecond)
	if want := "it has not ended within 10ms: run it before, and name its report with --with eslint=FILE"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
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
	stuck := deaths[0] // before it was started once, which is no restart
	stuck.Kind, stuck.Of = history.Stuck, stuck.Of.InAttempt(evidence.NoAttempt)
	if err := s.Record(t.Context(), append(deaths, stuck)...); err != nil {
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
