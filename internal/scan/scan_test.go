// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/rules"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// scanned are the rules that a scan runs.
var scanned = slices.Concat(rules.Manifests(), rules.Sets())

var today = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// judge scans the folder testdata/shop, or what is given.
func judge(t *testing.T, policy Policy, paths ...string) (Job, *Result) {
	t.Helper()
	if len(paths) == 0 {
		paths = []string{"testdata/shop"}
	}
	files, err := collect.ManifestFiles{}.Find(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	policy.Today = today
	j := Job{Files: files, Alone: rules.Manifests(), Sets: rules.Sets(), Policy: policy, Reader: collect.ManifestReader{Namespace: "shop"}}
	r, err := j.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return j, r
}

// written returns a text of manifests as a file.
func written(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// others reads reports in testdata, each as its tool writes it.
func others(t *testing.T, names ...string) []Finding {
	t.Helper()
	var all []Finding
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata/reports", name))
		if err != nil {
			t.Fatal(err)
		}
		tool, _, _ := strings.Cut(name, ".")
		found, err := Report(tool, data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(found) == 0 {
			t.Errorf("%s has no findings", name)
		}
		all = append(all, found...)
	}
	return all
}

// TestOutputs: the same manifests and reports give the same bytes in each form, twice, and each is what its readers take.
func TestOutputs(t *testing.T) {
	answer := func() map[string][]byte {
		j, r := judge(t, Policy{})
		j.Merge(r, others(t, "trivy.json", "checkov.json", "semgrep.json", "eslint.json", "kube-linter.json", "other.sarif"), "/nowhere")
		all := map[string][]byte{}
		for _, form := range Outputs {
			var b bytes.Buffer
			if err := (Output{Width: 80, FailOn: Error, All: true}).Write(&b, form, r); err != nil {
				t.Fatal(err)
			}
			all[form] = b.Bytes()
		}
		return all
	}
	first, second := answer(), answer()
	for _, form := range Outputs {
		if !bytes.Equal(first[form], second[form]) {
			t.Errorf("two answers differ as %s", form)
		}
		golden(t, "shop."+form, first[form])
	}
	var suites junitSuites
	if err := xml.Unmarshal(first["junit"], &suites); err != nil || suites.Tests == 0 || suites.Failures == 0 {
		t.Errorf("JUnit: %d tests, %v", suites.Tests, err)
	}
	accepted(t, first["sarif"])
	for line := range strings.Lines(string(first["text"])) {
		if len([]rune(strings.TrimRight(line, "\n"))) > 80 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
}

// accepted checks SARIF against the schema of OASIS, which is kept here as vendored.json says.
func accepted(t *testing.T, data []byte) {
	t.Helper()
	packed, err := os.ReadFile("testdata/sarif-schema-2.1.0.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	var kept []struct{ File, SHA256 string }
	record, err := os.ReadFile("testdata/vendored.json")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(packed)
	if err := json.Unmarshal(record, &kept); err != nil || len(kept) != 1 || kept[0].SHA256 != hex.EncodeToString(sum[:]) {
		t.Fatalf("the schema is not the one that vendored.json names: %v", err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(sarifSchema, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(sarifSchema)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("the schema refuses it: %v", err)
	}
}

// TestLines: each finding has a line of its file.
func TestLines(t *testing.T) {
	_, r := judge(t, Policy{}, "testdata", "../../examples", "../../deploy/agent", "../../deploy/ci")
	for _, f := range r.Findings {
		data, err := os.ReadFile(f.File)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(data, []byte("\n")) + 1; f.Line < 1 || f.Line > n {
			t.Errorf("%s %s: line %d of %d of %s", f.Rule, f.Message, f.Line, n, f.File)
		}
	}
	if len(r.Findings) == 0 {
		t.Error("nothing found")
	}
}

// TestSeverities: how much each rule matters is said for rules that there are.
func TestSeverities(t *testing.T) {
	for id := range matters {
		if !slices.ContainsFunc(append(rules.Manifests(), rules.Sets()...), func(r *diagnosis.Rule) bool { return r.ID == id }) {
			t.Errorf("there is no rule %s about manifests", id)
		}
	}
	for id := range what {
		if !slices.ContainsFunc(rules.Manifests(), func(r *diagnosis.Rule) bool { return r.ID == id }) {
			t.Errorf("there is no rule %s about manifests", id)
		}
	}
}

const pod = `apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: app
    image: shop/web:latest
`

func of(r *Result, rule string) *Finding {
	for i := range r.Findings {
		if r.Findings[i].Rule == rule {
			return &r.Findings[i]
		}
	}
	return nil
}

// TestWaived: a waiver holds with a reason until its day, inline and in the policy, and is told of where it does not.
func TestWaived(t *testing.T) {
	for _, c := range []struct {
		comment, waived, lapsed string
	}{
		{"inquest:ignore IMG101 the mirror pins it, until 2027-01-31", "the mirror pins it", ""},
		{"inquest:ignore IMG101 the mirror pins it, until 2026-11-26", "the mirror pins it", ""},
		{"inquest:ignore * the mirror pins it, until 2026-12-01", "the mirror pins it", ""},
		{"inquest:ignore IMG101 the mirror pins it, until 2026-11-25", "", "the waiver of IMG101 has lapsed: it held until 2026-11-25"},
		{"inquest:ignore IMG101 the mirror pins it", "", "the waiver of IMG101 does not say until when it holds"},
		{"inquest:ignore IMG101 until 2027-01-31", "", "the waiver of IMG101 gives no reason"},
		{"inquest:ignore RES101 something else, until 2027-01-31", "", ""},
		{"inquest:ignore img101,trivy/KSV9,waiver the mirror pins it, until 2027-01-31", "the mirror pins it", ""},
		{"inquest:ignore IMG* the mirror pins it, until 2027-01-31", "the mirror pins it", ""},
		{"inquest:ignore IMG101,PRB13 the mirror pins it, until 2027-01-31", "the mirror pins it",
			"the waiver of IMG101, PRB13 does not hold for PRB13: there is no such rule of scan, did you mean PRB103?"},
		{"inquest:ignore IGM101 the mirror pins it, until 2027-01-31", "",
			"the waiver of IGM101 does not hold for IGM101: there is no such rule of scan, did you mean IMG101?"},
	} {
		_, r := judge(t, Policy{}, written(t, strings.Replace(pod, ":latest", ":latest # "+c.comment, 1)))
		if got := of(r, "IMG101").Waived; got != c.waived {
			t.Errorf("%s: waived %q", c.comment, got)
		}
		lapsed := ""
		if f := of(r, WaiverRule); f != nil {
			lapsed = f.Message
			if strings.Contains(f.text(), "?.") {
				t.Errorf("%s: a question ends twice: %s", c.comment, f.text())
			}
		}
		if lapsed != c.lapsed {
			t.Errorf("%s: told %q, want %q", c.comment, lapsed, c.lapsed)
		}
	}
	p, err := ReadPolicy([]byte("waivers:\n- {rule: IMG*, path: '*/x.yaml', object: pod/a, reason: pinned, until: 2027-01-31}\n- {rule: RES101, object: pod/b, reason: other, until: 2027-01-31}\n"), scanned)
	if err != nil {
		t.Fatal(err)
	}
	_, r := judge(t, p, written(t, pod))
	if of(r, "IMG101").Waived != "pinned" || of(r, "RES101").Waived != "" {
		t.Errorf("waived %q and %q", of(r, "IMG101").Waived, of(r, "RES101").Waived)
	}
}

// TestPolicy: the last measure that matches counts, and what is off is not told.
func TestPolicy(t *testing.T) {
	p, err := ReadPolicy([]byte("failOn: warning\nrules:\n- {rule: '*', severity: note}\n- {rule: IMG101, severity: error}\n- {rule: RES1*, severity: 'off'}\n- {rule: trivy/KSV1*, severity: error}\n"), scanned)
	if err != nil {
		t.Fatal(err)
	}
	j, r := judge(t, p, written(t, pod))
	j.Merge(r, []Finding{{Tool: "trivy", Rule: "KSV117", Message: "m", Severity: Note, File: "y.yaml", Line: 1}}, "/")
	if of(r, "IMG101").Severity != Error || of(r, "SEC102").Severity != Note || of(r, "RES101") != nil || of(r, "KSV117").Severity != Error {
		t.Errorf("findings %+v", r.Findings)
	}
	for text, want := range map[string]string{
		"failon: error\n": "line 1: there is no field failon, did you mean failOn?",
		"failOn: bad\n":   `failOn: unknown severity "bad", expected one of off, note, warning, error`,
		"rules:\n- {rule: RSE101, severity: error}\n":               "rule RSE101: there is no such rule of scan, did you mean RES101?",
		"rules:\n- {rule: RES20*, severity: 'off'}\n":               "rule RES20*: there is no such rule of scan, did you mean RES101?",
		"rules:\n- {rule: inquest/img11, severity: note}\n":         "rule inquest/img11: there is no such rule of scan, did you mean IMG101?",
		"rules:\n- {rule: KSV-0014, severity: error}\n":             "rule KSV-0014: there is no such rule of scan: inquest explain lists them, and one of another tool has its name before it, as trivy/KSV-0014",
		"waivers:\n- {rule: SEC15, reason: b, until: 2027-01-31}\n": "waiver 1: rule SEC15: there is no such rule of scan, did you mean SEC105?",
		"rules:\n- {rule: A, severity: high}\n":                     `rule A: unknown severity "high", expected one of off, note, warning, error`,
		"waivers:\n- {rule: A}\n":                                   "waiver 1: it needs rule, reason and until",
		"waivers:\n- {rule: A, reason: b, until: soon}\n":           `waiver 1: until "soon" is no day as 2027-01-31`,
		"rules:\n- {severity: note}\n":                              "a measure names no rule: expected as RES101, trivy/KSV-0014 or trivy/*",
		"- rules\n":                                                 "it is no mapping, expected its fields",
		"failOn: note\n---\nfailOn: error\n":                        "it has several documents, expected one",
		"rules: 1\n":                                                "line 1: rules is a number, expected a list",
	} {
		if _, err := ReadPolicy([]byte(text), scanned); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestBaseline: what is known does not count, though its lines move; what is new does; what is gone is told.
func TestBaseline(t *testing.T) {
	name := written(t, pod)
	j, r := judge(t, Policy{}, name)
	j.Merge(r, nil, "/")
	data, err := BaselineOf(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadBaseline(data)
	if err != nil {
		t.Fatal(err)
	}
	moved := "# a line more\n" + strings.Replace(pod, "    image", "    env: [{name: A, value: a}, {name: A, value: b}]\n    image", 1)
	if err := os.WriteFile(name, []byte(strings.Replace(moved, ":latest", ":v1", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	j, r = judge(t, Policy{}, name)
	j.Merge(r, nil, "/")
	if gone := b.Apply(r); gone != 1 {
		t.Errorf("%d are gone, want the one about the image", gone)
	}
	for _, f := range r.Findings {
		if f.Known == (f.Rule == "CFG102") {
			t.Errorf("%s known %v", f.Rule, f.Known)
		}
	}
	if _, err := ReadBaseline([]byte("version: 2\n")); err == nil || !strings.Contains(err.Error(), "--write-baseline") {
		t.Errorf("a later version: %v", err)
	}
}

// TestMerge: what several tools say of one object is one finding, and what they say of others is not.
func TestMerge(t *testing.T) {
	name := written(t, pod+"---\n"+strings.Replace(pod, "name: a", "name: b", 1))
	j, r := judge(t, Policy{}, name)
	j.Merge(r, []Finding{
		{Tool: "trivy", Rule: "KSV013", Message: "tag", Severity: Error, File: tidyPath(name), Line: 7},
		{Tool: "kube-linter", Rule: "latest-tag", Message: "tag", Severity: Warning, File: tidyPath(name), Line: 1, About: evidence.RefTo("Pod", "", "b")},
		{Tool: "eslint", Rule: "semi", Message: "semicolon", Severity: Warning, File: "a.js", Line: 3},
		{Tool: "checkov", Rule: "CKV_K8S_21", Message: "default namespace", Severity: Note, File: tidyPath(name), Line: 1},
		{Tool: "trivy", Rule: "KSV110", Message: "default namespace", Severity: Note, File: tidyPath(name), Line: 1},
	}, filepath.Dir(name))
	var got []string
	for _, f := range r.Findings {
		if f.Rule == "IMG101" || f.Tool != Ours {
			got = append(got, strings.Join(append([]string{f.File, f.About.String(), f.Tool, f.Rule, f.Severity.String()}, f.Also...), " "))
		}
	}
	slices.Sort(got)
	want := []string{
		"a.js cluster eslint semi warning",
		"x.yaml pod/a checkov CKV_K8S_21 note trivy KSV110",
		"x.yaml pod/a[app] inquest IMG101 error trivy KSV013",
		"x.yaml pod/b[app] inquest IMG101 warning kube-linter latest-tag",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPrice: restarts are laid to the findings that warn of what ended them.
func TestPrice(t *testing.T) {
	_, r := judge(t, Policy{}, written(t, strings.Replace(pod, ":latest", ":v1\n    livenessProbe: {tcpSocket: {port: 80}}", 1)))
	of := evidence.RefTo("Pod", "shop", "a").InContainer("app")
	r.Price([]Death{{of, 14, []string{"liveness probe failed"}}, {of, 5, []string{"process failed"}}, {of.Object().InContainer("side"), 7, nil}})
	got := ""
	for _, f := range r.Findings {
		if f.Rule == "PRB103" {
			got = f.Cost.String()
		}
	}
	if want := "this missing startupProbe explains 14 of 19 restarts"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if text := (Output{Width: 80}).Text(r); !strings.HasPrefix(text, "What has cost the most:\n") {
		t.Errorf("it is not told first: %s", text)
	}
	for want, deaths := range map[string][]Death{
		"What has cost the most:\n  - ":                 {{of, 2, []string{"liveness probe failed"}}, {of, 1, []string{"killed"}}, {of, 16, nil}},
		"no restart is known":                           {{of.Object().InContainer("side"), 0, nil}},
		"no finding explains a restart: the cause is\n": {{of, 2, []string{"process failed"}}, {of, 1, nil}},
	} {
		_, r := judge(t, Policy{}, written(t, strings.Replace(pod, ":latest", ":v1\n    livenessProbe: {tcpSocket: {port: 80}}", 1)))
		r.Price(deaths)
		text := (Output{Width: 48}).Text(r)
		if !strings.HasPrefix(text, want) || len(deaths) == 3 && !strings.Contains(strings.Join(strings.Fields(text), " "), "explains 2 of 3 restarts whose cause is known, of 19") {
			t.Errorf("it does not begin with %q:\n%s", want, text)
		}
	}
}

// TestHostile: text of a file cannot write to a terminal, nor begin a command of a workflow.
func TestHostile(t *testing.T) {
	_, r := judge(t, Policy{}, written(t, strings.Replace(pod, "shop/web:latest", `"x\e[31m\n::error::owned"`, 1)))
	for form, begins := range map[string]string{"text": "", "github": "::"} {
		var b bytes.Buffer
		if err := (Output{Width: 80}).Write(&b, form, r); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "\x1b") || strings.Contains(b.String(), "\n::error::owned") {
			t.Errorf("%s is not escaped: %q", form, b.String())
		}
		for line := range strings.Lines(b.String()) {
			if !strings.HasPrefix(line, begins) {
				t.Errorf("%s has a line of its own: %q", form, line)
			}
		}
	}
}
