// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bufio"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSames: each rule of another tool that is known here is one that the tool has, and what it says, by the title that the tool itself gives it, is what
// ours says. testdata/sames has them: aquasecurity/trivy-checks v1.10.0, Checkov's policy index of Kubernetes, docs/generated/checks.md of kube-linter,
// semgrep-rules/yaml/kubernetes, and the controls of kubescape/regolibrary. What means something else, alike as it sounds, is there with the reason.
func TestSames(t *testing.T) {
	file, err := os.Open("testdata/sames")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	known, seen := alike(), map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		parts := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(parts) < 3 {
			continue
		}
		name, want, title := parts[0], strings.TrimPrefix(parts[1], "-"), parts[2]
		if before, twice := seen[name]; twice {
			t.Errorf("%s is there twice: as %q and as %q", name, before, title)
		}
		seen[name] = title
		tool, rule, _ := strings.Cut(name, "/")
		rule, limit := strings.CutSuffix(rule, "-limit")
		f := Finding{Tool: tool, Rule: rule, Message: title}
		if limit {
			f.Message = `container "app" has memory limit 0`
		}
		if got, _ := known.of(&f); got != want {
			t.Errorf("%s, %q, means %q, want %q", name, title, got, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known.what)) {
		if _, ok := seen[name]; !ok && !strings.HasPrefix(name, Ours+"/") {
			t.Errorf("%s is known, and its title is not in testdata/sames", name)
		}
	}
}

// TestSamesOnce: a rule of another tool means one of ours.
func TestSamesOnce(t *testing.T) {
	of := map[string]string{}
	for same, names := range sames {
		for name := range strings.FieldsSeq(names) {
			if of[name] != "" {
				t.Errorf("%s means %s and %s", name, of[name], same)
			}
			of[name] = same
		}
	}
}
