// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMergeWaived: a waiver holds for what it names and what another tool says is the same, and for nothing else that another tool says of
// the object.
func TestMergeWaived(t *testing.T) {
	text := strings.Replace(pod, "  - name: app", "  - name: app # inquest:ignore SEC105,RES101 the driver needs it, until 2027-01-31\n    securityContext: {privileged: true}", 1)
	name := written(t, text)
	j, r := judge(t, Policy{}, name)
	if of(r, "SEC105") == nil || of(r, "SEC105").Waived == "" || of(r, "RES101").Waived == "" {
		t.Fatalf("not waived: %+v", r.Findings)
	}
	j.Merge(r, []Finding{
		{Tool: "trivy", Rule: "KSV009", Message: "host network", Severity: Error, File: tidyPath(name), Line: 6},
		{Tool: "trivy", Rule: "KSV018", Message: "memory limit", Severity: Warning, File: tidyPath(name), Line: 6},
		{Tool: "checkov", Rule: "CKV_K8S_13", Message: "memory limit", Severity: Warning, File: tidyPath(name), Line: 1},
	}, filepath.Dir(name))
	var got []string
	for _, f := range r.Findings {
		if f.Rule == "RES101" || f.Rule == "SEC105" || f.Tool != Ours {
			got = append(got, strings.TrimSpace(strings.Join(append([]string{f.Tool, f.Rule, f.Waived}, f.Also...), " ")))
		}
	}
	slices.Sort(got)
	want := []string{
		"inquest RES101 the driver needs it checkov CKV_K8S_13 trivy KSV018",
		"inquest SEC105 the driver needs it",
		"trivy KSV009",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSuppressed: what is waived is accepted in SARIF, in the file or outside of it, and what another tool's SARIF has as rejected or under
// review counts.
func TestSuppressed(t *testing.T) {
	p, err := ReadPolicy([]byte("waivers:\n- {rule: RES101, reason: small, until: 2027-01-31}\n"))
	if err != nil {
		t.Fatal(err)
	}
	j, r := judge(t, p, written(t, strings.Replace(pod, ":latest", ":latest # inquest:ignore IMG101 pinned, until 2027-01-31", 1)))
	j.Merge(r, nil, "/")
	data, err := Output{}.SARIF(r)
	if err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(data, &log); err != nil {
		t.Fatal(err)
	}
	got := map[string]sarifSuppression{}
	for _, result := range log.Runs[0].Results {
		for _, s := range result.Suppressions {
			got[result.RuleID] = s
		}
	}
	want := map[string]sarifSuppression{"IMG101": {"inSource", "accepted", "pinned"}, "RES101": {"external", "accepted", "small"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for status, waived := range map[string]string{"": "why", "accepted": "why", "underReview": "", "rejected": ""} {
		text := `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"ruleId":"a","message":{"text":"m"},"suppressions":[{"kind":"external","status":"` + status + `","justification":"why"}]}]}]}`
		found, err := Report([]byte(text))
		if err != nil || len(found) != 1 || found[0].Waived != waived {
			t.Errorf("status %q: %+v, %v", status, found, err)
		}
	}
}

// TestReportErrors: a report that says that not all was checked is no good news, and what it found counts all the same.
func TestReportErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"results":[],"errors":[{"level":"warn","path":"a.yaml","message":"password: x"},{"level":"info"}],"paths":{}}`:                                                                     "it could not check a.yaml: see what it says itself",
		`{"check_type":"kubernetes","results":{"failed_checks":[],"parsing_errors":["/a.yaml","/b.yaml"]},"summary":{"parsing_errors":2}}`:                                                   "it could not check /a.yaml and 1 more: see what it says itself",
		`[{"check_type":"kubernetes","results":{"failed_checks":[]},"summary":{"parsing_errors":1}}]`:                                                                                        "it could not check a file that it does not name: see what it says itself",
		`[{"filePath":"a.js","messages":[{"ruleId":null,"fatal":true,"severity":2,"message":"m","line":1}]}]`:                                                                                "it could not check a.js: see what it says itself",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"invocations":[{"executionSuccessful":false}],"results":[]}]}`:                                                           "it could not check all that it was given: see what it says itself",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"error","message":{"text":"m"}}]}]}]}`: "it could not check all that it was given: see what it says itself",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"note","message":{"text":"m"}}]}]}]}`:  "<nil>",
	} {
		if _, err := Report([]byte(text)); fmt.Sprint(err) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, r := judge(t, Policy{}, written(t, pod))
	r.Failed = []error{errors.New("ask trivy: it is not installed")}
	data, err := Output{}.SARIF(r)
	if err != nil || !strings.Contains(string(data), `"executionSuccessful": false`) {
		t.Errorf("SARIF does not say it: %v", err)
	}
	var b strings.Builder
	if err := (Output{}).JSON(&b, r); err != nil || !strings.Contains(b.String(), `"notChecked": [`) {
		t.Errorf("JSON does not say it: %v", err)
	}
}

// TestCommands: each tool is given paths as it takes them, and none is an option.
func TestCommands(t *testing.T) {
	for name, want := range map[string]string{
		"trivy":       "trivy config --quiet --format json a|trivy config --quiet --format json ./-b",
		"checkov":     "checkov --compact --quiet --output json --directory a|checkov --compact --quiet --output json --file ./-b",
		"kube-linter": "kube-linter lint --format json a ./-b",
	} {
		tool := Tools[slices.IndexFunc(Tools, func(t Tool) bool { return t.Name == name })]
		var got []string
		for _, command := range tool.Commands([]string{"a", "-b"}, func(path string) bool { return path == "a" }) {
			got = append(got, strings.Join(command, " "))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s is run as %q", name, got)
		}
	}
}

// TestLike: a star stands for anything, and many of them take no longer than one.
func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"RES*", "res101", true}, {"*101", "RES101", true}, {"R*1*1", "RES101", true}, {"*", "", true}, {"RES101", "RES1011", false},
		{"deploy/*/x.yaml", "deploy/a/b/x.yaml", true}, {"a*b", "ab", true}, {"a*b", "a", false},
		{strings.Repeat("*a", 200) + "b", strings.Repeat("a", 2000), false},
	} {
		if got := like(c.pattern, c.text); got != c.want {
			t.Errorf("%.20s is like %.20s: %v", c.pattern, c.text, got)
		}
	}
}
