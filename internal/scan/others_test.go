// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
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

// TestMergeOff: what the policy does not want to hear of is not heard of another tool either, but for what it names of that one.
func TestMergeOff(t *testing.T) {
	p, err := ReadPolicy([]byte("rules:\n- {rule: RES101, severity: \"off\"}\n- {rule: checkov/CKV_K8S_13, severity: note}\n"), scanned)
	if err != nil {
		t.Fatal(err)
	}
	name := written(t, pod)
	j, r := judge(t, p, name)
	j.Merge(r, []Finding{
		{Tool: "trivy", Rule: "KSV018", Message: "memory limit", Severity: Error, File: tidyPath(name), Line: 6},
		{Tool: "checkov", Rule: "CKV_K8S_13", Message: "memory limit.", Fix: "set one", Severity: Error, File: tidyPath(name), Line: 6},
	}, filepath.Dir(name))
	var got []string
	for _, f := range r.Findings {
		if f.Tool != Ours || f.Rule == "RES101" {
			got = append(got, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Tool, f.Rule, f.text()))
		}
	}
	if diff := cmp.Diff([]string{"note checkov CKV_K8S_13: memory limit. set one"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestSuppressed: what is waived is accepted in SARIF, in the file or outside of it, and what another tool's SARIF has as rejected or under
// review counts.
func TestSuppressed(t *testing.T) {
	p, err := ReadPolicy([]byte("waivers:\n- {rule: RES101, reason: small, until: 2027-01-31}\n"), scanned)
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
		found, err := Report("", []byte(text))
		if err != nil || len(found) != 1 || found[0].Waived != waived {
			t.Errorf("status %q: %+v, %v", status, found, err)
		}
	}
}

// TestReportErrors: a report that says that not all was checked is no good news, and what it found counts all the same.
func TestReportErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"results":[],"errors":[{"level":"warn","path":"a.yaml","message":"password: x"},{"level":"info"}],"paths":{}}`:                                                                                                                                                                          "it could not check a.yaml: see what it says itself",
		`{"check_type":"kubernetes","results":{"failed_checks":[],"parsing_errors":["/a.yaml","/b.yaml"]},"summary":{"parsing_errors":2}}`:                                                                                                                                                        "it could not check /a.yaml and 1 more: see what it says itself",
		`[{"check_type":"kubernetes","results":{"failed_checks":[]},"summary":{"parsing_errors":1}}]`:                                                                                                                                                                                             "it could not check a file that it does not name: see what it says itself",
		`[{"filePath":"a.js","messages":[{"ruleId":null,"fatal":true,"severity":2,"message":"m","line":1}]}]`:                                                                                                                                                                                     "it could not check a.js: see what it says itself",
		`[{"filePath":"a.js","messages":[{"ruleId":null,"fatal":false,"severity":1,"message":"File ignored because no matching configuration was supplied."}]}]`:                                                                                                                                  "it could not check a.js: see what it says itself",
		`[{"filePath":"a.js","messages":[{"ruleId":null,"severity":1,"message":"Unused eslint-disable directive","line":1}]}]`:                                                                                                                                                                    "<nil>",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"ESLint"}},"invocations":[{"executionSuccessful":true,"toolConfigurationNotifications":[{"level":"warning","message":{"text":"File ignored"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"file:///a.js"}}}]}]}]}]}`: "it could not check all that it was given: see what it says itself",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"invocations":[{"executionSuccessful":false}],"results":[]}]}`:                                                                                                                                                                "it could not check all that it was given: see what it says itself",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"error","message":{"text":"m"}}]}]}]}`:                                                                                                      "it could not check all that it was given: see what it says itself",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"note","message":{"text":"m"}}]}]}]}`:                                                                                                       "<nil>",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Semgrep OSS"}},"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":[{"descriptor":{"id":"Syntax error"},"level":"warning","message":{"text":"m"}}]}]}]}`:                                                       "it could not check all that it was given: see what it says itself",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"kube-linter"}},"invocations":[{"executionSuccessful":false}],"results":[]}]}`:                                                                                                                                                      "it could not check all that it was given: see what it says itself",
	} {
		if _, err := Report("", []byte(text)); fmt.Sprint(err) != want {
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

// TestReport: what is no report is refused, and it is said why and what to do.
func TestReport(t *testing.T) {
	for text, want := range map[string]string{
		"": "it is empty: see what the tool said when it was to write it", " \n": "it is empty: see what the tool said when it was to write it",
		"x": "it is not JSON; it is no report that is known", "[]x": "it is not JSON; it is no report that is known", "Error: x\n{}": "it is not JSON",
		`{"Results": [{"Target": "a`: "it ends in the middle: have the tool write it again", `[{"filePath": "a.js",`: "it ends in the middle",
		"{}": "it is no report that is known: expected SARIF 2.1.0, or the JSON of", `[{"a":1}]`: "it is no report", `"runs"`: "it is no report",
		"null": "it is no report", "3": "it is no report", `{"version":"1.0.0","runs":[]}`: `it is SARIF "1.0.0", expected 2.1.0`, `{"runs":1}`: "read SARIF: ",
	} {
		if found, err := Report("trivy", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q is taken for a report of %d findings, or refused with %v", text, len(found), err)
		}
	}
}

// TestMixedUp: a report that is named as one of another tool that is known is refused, and what may be of it is not.
func TestMixedUp(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"trivy", `{"check_type":"kubernetes","results":{"failed_checks":[]}}`, "it is one of checkov: name it with --with checkov=FILE"},
		{"checkov", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Trivy"}},"results":[]}]}`, "it is one of trivy: name it with --with trivy=FILE"},
		{"semgrep", `[{"filePath":"a.js","messages":[]}]`, "it is one of eslint: name it with --with eslint=FILE"},
		{"trivy", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Checkov"}}},{"tool":{"driver":{"name":"Trivy"}}}]}`, ""},
		{"semgrep", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Semgrep OSS"}},"results":[]}]}`, ""},
		{"kube-linter", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"KubeLinter"}},"results":[]}]}`, ""},
		{"semgrep", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Opengrep OSS"}},"results":[]}]}`, ""},
		{"mine", `{"Results":[],"SchemaVersion":2}`, ""},
		{"checkov", `[]`, ""}, {"eslint", `[]`, ""},
	} {
		said := ""
		if _, err := Report(c.name, []byte(c.text)); err != nil {
			said = err.Error()
		}
		if said != c.want {
			t.Errorf("%s as %s: %q", c.text, c.name, said)
		}
	}
}

// TestForms: a tool is read the same from SARIF as from its JSON: the file, the line, the object, the rule and how much it matters.
func TestForms(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"testdata/shop/.env", "src/app.js", "src/idle.js"} { // beside the manifests
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"trivy", "checkov", "semgrep", "eslint", "kube-linter"} {
		var forms [2][]string
		for i, form := range []string{".json", ".sarif"} {
			j, r := judge(t, Policy{})
			r.Findings = nil
			j.Merge(r, others(t, tool+form), root)
			for _, f := range r.Findings {
				if f.File == "Dockerfile" { // Checkov's SARIF does not name what it is about there
					continue
				}
				forms[i] = append(forms[i], strings.Join([]string{f.File, strconv.Itoa(f.Line), f.About.String(), f.Tool, f.Rule, f.Severity.String(), f.Message, f.Waived}, " "))
			}
		}
		if diff := cmp.Diff(forms[0], forms[1]); diff != "" || len(forms[0]) < 2 {
			t.Errorf("%s from JSON and from SARIF (-JSON +SARIF):\n%s", tool, diff)
		}
	}
}

// TestVulnerability: a package that Trivy knows a vulnerability of is read the same from both of its forms.
func TestVulnerability(t *testing.T) {
	for _, text := range []string{
		`{"SchemaVersion":2,"Results":[{"Target":"go.mod","Class":"lang-pkgs","Type":"gomod","Vulnerabilities":[{"VulnerabilityID":"CVE-2030-0001","PkgName":"example.com/a","InstalledVersion":"v1.0.0","FixedVersion":"v1.0.1","Title":"a: reads too far","Severity":"CRITICAL"}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Trivy","rules":[{"id":"CVE-2030-0001","shortDescription":{"text":"a: reads too far"}}]}},"results":[{"ruleId":"CVE-2030-0001","ruleIndex":0,"level":"error","message":{"text":"Package: example.com/a\nInstalled Version: v1.0.0\nVulnerability CVE-2030-0001\nSeverity: CRITICAL\nFixed Version: v1.0.1"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"go.mod","uriBaseId":"ROOTPATH"},"region":{"startLine":1,"startColumn":1}}}]}]}]}`,
	} {
		found, err := Report("trivy", []byte(text))
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		f := found[0]
		if f.Rule != "CVE-2030-0001" || f.Message != "example.com/a v1.0.0: a: reads too far" || f.Severity != Error || f.File != "go.mod" || f.Column != 0 {
			t.Errorf("%+v", f)
		}
	}
}

// TestPaths: which file is meant by a path in a report, wherever the tool told it from.
func TestPaths(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"deploy/web.yaml", "base/web.yaml", "deploy/one.yaml", "src/app.js"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := spans{root: root, of: map[string][]span{}, at: map[string]string{}, meant: map[string]string{}}
	for _, name := range []string{"deploy/web.yaml", "base/web.yaml", "deploy/one.yaml", "../elsewhere/x.yaml"} {
		s.of[name], s.at[s.absolute(name)] = []span{{}}, name
	}
	for _, c := range []struct {
		file  string
		surer []string
		want  string
	}{
		{"deploy/web.yaml", nil, "deploy/web.yaml"},
		{filepath.Join(root, "deploy/web.yaml"), nil, "deploy/web.yaml"},
		{"one.yaml", nil, "deploy/one.yaml"},                     // told from the folder
		{"web.yaml", nil, "web.yaml"},                            // nobody can tell which
		{"web.yaml", []string{"base/web.yaml"}, "base/web.yaml"}, // but for the folder that the report names
		{"/builds/shop/deploy/web.yaml", nil, "deploy/web.yaml"}, // of another machine
		{"/builds/shop/src/app.js", nil, "src/app.js"},           // which is no manifest
		{"/builds/shop/gone.js", nil, "/builds/shop/gone.js"},    // and is not there
		{filepath.Join(filepath.Dir(root), "elsewhere/x.yaml"), nil, "../elsewhere/x.yaml"},
		{"Dockerfile", []string{"deploy/Dockerfile"}, "deploy/Dockerfile"},
		{"Dockerfile", []string{"/github/workspace/Dockerfile"}, "Dockerfile"},
	} {
		if got := s.path(&Finding{File: c.file, paths: c.surer}); got != c.want {
			t.Errorf("%s, or %v, is %s, want %s", c.file, c.surer, got, c.want)
		}
	}
}

// TestTrivyNames: a rule of Trivy's has had three names, and is the same by each, in a policy as well.
func TestTrivyNames(t *testing.T) {
	for _, name := range []string{"KSV014", "KSV-0014", "AVD-KSV-0014"} {
		if what, _ := alike().of(&Finding{Tool: "trivy", Rule: name}); what != "SEC104" {
			t.Errorf("%s means %q", name, what)
		}
		for _, pattern := range []string{"trivy/KSV014", "trivy/KSV-0014", "trivy/AVD-KSV-0014", "*/KSV014", "trivy/*KSV*14"} {
			if !matches(pattern, "trivy", name) {
				t.Errorf("%s does not mean %s", pattern, name)
			}
		}
		if matches("trivy/KSV-0114", "trivy", name) || matches("checkov/KSV014", "trivy", name) {
			t.Errorf("another pattern means %s", name)
		}
	}
	if !matches("trivy/CVE-2030-0001", "trivy", "CVE-2030-0001") || matches("trivy/CVE-2030-0002", "trivy", "CVE-2030-0001") {
		t.Error("a CVE is not matched by its name")
	}
}

// TestUnknownWord: a word for a severity that is not known hides nothing.
func TestUnknownWord(t *testing.T) {
	for _, text := range []string{
		`{"SchemaVersion":2,"Results":[{"Target":"a","Misconfigurations":[{"ID":"A","Severity":"SEVERE"}]}]}`,
		`{"results":[{"check_id":"a","path":"a","extra":{"severity":"EXPERIMENT"}}],"errors":[]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"ruleId":"a","level":"fatal","message":{"text":"m"}}]}]}`,
	} {
		if found, err := Report("", []byte(text)); err != nil || len(found) != 1 || found[0].Severity != Warning {
			t.Errorf("%s: %+v, %v", text, found, err)
		}
	}
}

// TestLimits: what kube-linter says of requests and of limits by one rule are two things.
func TestLimits(t *testing.T) {
	name := written(t, pod)
	j, r := judge(t, Policy{}, name)
	about := evidence.RefTo("Pod", "", "a")
	j.Merge(r, []Finding{
		{Tool: "kube-linter", Rule: "unset-memory-requirements", Severity: Warning, Message: `container "app" has memory request 0`, File: tidyPath(name), Line: 1, About: about},
		{Tool: "kube-linter", Rule: "unset-memory-requirements", Severity: Warning, Message: `container "app" has memory limit 0`, File: tidyPath(name), Line: 1, About: about},
	}, "/")
	for _, rule := range []string{"RES101", "RES102"} {
		if f := of(r, rule); f == nil || len(f.Also) != 1 {
			t.Errorf("%s: %+v", rule, f)
		}
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
