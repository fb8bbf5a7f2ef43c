// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// MaxReport bounds the report of another tool, in bytes.
const MaxReport = 256 << 20

// errStranger is of a report that is of no tool that is known.
var errStranger = errors.New("it is no report that is known: expected SARIF 2.1.0, or the JSON of Trivy, Checkov, Semgrep, ESLint or kube-linter")

// Report reads what another tool found: SARIF, or its own JSON. Whose it is, its content tells; where that is another of the tools that are
// known than the one that it was named as, two files were mixed up, and it is refused. Where the report says that the tool could not check
// all, that is an error beside what it did find.
func Report(name string, data []byte) ([]Finding, error) {
	data = bytes.TrimPrefix(bytes.TrimSpace(data), []byte("\xef\xbb\xbf"))
	if err := wrongReport(data); err != nil {
		return nil, err
	}
	of, list, err := read(data)
	if len(of) > 0 && isTool(name) && !slices.Contains(of, name) && isTool(of[0]) {
		return nil, fmt.Errorf("it is one of %s: name it with --with %s=FILE", of[0], of[0])
	}
	for i := range list {
		f := &list[i]
		for _, text := range []*string{&f.Title, &f.Message, &f.Fix} {
			*text, _ = collect.Redact(strings.Join(strings.Fields(*text), " "))
		}
	}
	return list, err
}

// wrongReport says why a text can be no report.
func wrongReport(data []byte) error {
	if len(data) > MaxReport {
		return fmt.Errorf("it is larger than the %d MiB that are read", MaxReport>>20)
	}
	var all json.RawMessage
	switch err := json.NewDecoder(bytes.NewReader(data)).Decode(&all); {
	case len(data) == 0:
		return errors.New("it is empty: see what the tool said when it was to write it")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends in the middle: have the tool write it again")
	case err != nil || !json.Valid(data):
		return fmt.Errorf("it is not JSON; %w", errStranger)
	}
	return nil
}

// read reads a report, and tells of which tools it is.
func read(data []byte) (of []string, list []Finding, err error) {
	if data[0] == '[' {
		return listReport(data)
	}
	var head map[string]json.RawMessage
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, nil, errStranger
	}
	has := func(key string) bool { return len(head[key]) > 0 }
	switch {
	case has("runs"):
		return sarifReport(data)
	case has("Checks") && has("Reports") || has("Summary") && has("Reports"):
		list, err = linterReport(data)
		return []string{"kube-linter"}, list, err
	case has("check_type") || has("passed") && has("failed") && has("parsing_errors"):
		list, err = checkovReport([]json.RawMessage{data})
		return []string{"checkov"}, list, err
	case has("results") && (has("errors") || has("paths")):
		list, err = semgrepReport(data)
		return []string{"semgrep"}, list, err
	case has("Results") || has("ArtifactName") || has("SchemaVersion"):
		list, err = trivyReport(data)
		return []string{"trivy"}, list, err
	}
	return nil, nil, errStranger
}

// listReport reads a list: Checkov writes one when it looked at several sorts of files, ESLint always. An empty one may be of both.
func listReport(data []byte) (of []string, found []Finding, err error) {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, nil, err
	}
	for _, element := range list {
		var head struct {
			CheckType string `json:"check_type"`
			FilePath  string `json:"filePath"`
		}
		if json.Unmarshal(element, &head) != nil || head.CheckType == "" && head.FilePath == "" {
			return nil, nil, errStranger
		}
		if head.CheckType != "" {
			found, err = checkovReport(list)
			return []string{"checkov"}, found, err
		}
	}
	of = []string{"eslint", "checkov"}
	if len(list) > 0 {
		of = of[:1]
	}
	found, err = eslintReport(data)
	return of, found, err
}

// levels are those of SARIF and of the tools' own words.
var levels = map[string]Severity{
	"none": Note, "note": Note, "info": Note, "inventory": Note, "unknown": Note, "low": Note,
	"warning": Warning, "medium": Warning, "error": Error, "high": Error, "critical": Error,
}

// severityOf returns what a tool's word stands for. Where it gives none, or one that is not known, it is a warning: what a tool found is not
// to go unseen.
func severityOf(word string) Severity {
	if s, ok := levels[strings.ToLower(word)]; ok {
		return s
	}
	return Warning
}

// toolName is the name of a tool as policies have it.
func toolName(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, t := range Tools {
		if strings.HasPrefix(name, t.Name) {
			return t.Name
		}
	}
	switch {
	case strings.HasPrefix(name, "kubelinter"):
		return "kube-linter"
	case name == "":
		return "unnamed"
	}
	return strings.ReplaceAll(name, "/", "-")
}

func trivyReport(data []byte) ([]Finding, error) {
	var r struct {
		ArtifactName, ArtifactType string
		Results                    []struct {
			Target            string
			Misconfigurations []struct {
				ID, AVDID, Title, Message, Resolution, Severity, Status string
				CauseMetadata                                           struct{ StartLine int }
			}
			Secrets []struct {
				RuleID, Title, Severity string
				StartLine               int
			}
			Vulnerabilities []struct{ VulnerabilityID, PkgName, InstalledVersion, FixedVersion, Title, Severity string }
		}
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read the JSON of Trivy: %w", err)
	}
	var list []Finding
	for _, target := range r.Results {
		add := func(rule, title, message, fix, severity string, line int) {
			list = append(list, Finding{
				Tool: "trivy", Rule: rule, Title: title, Message: message, Fix: fix, Severity: severityOf(severity), Line: line,
				File: tidyPath(target.Target), paths: trivyPaths(r.ArtifactType, r.ArtifactName, target.Target),
			})
		}
		for _, m := range target.Misconfigurations {
			if m.Status == "" || m.Status == "FAIL" {
				add(m.ID, m.Title, cmp.Or(m.Message, m.Title), m.Resolution, m.Severity, m.CauseMetadata.StartLine)
			}
		}
		for _, s := range target.Secrets {
			add(s.RuleID, s.Title, s.Title+" in plain text", "", s.Severity, s.StartLine)
		}
		for _, v := range target.Vulnerabilities {
			fix := ""
			if v.FixedVersion != "" {
				fix = "Update " + v.PkgName + " to " + v.FixedVersion
			}
			add(v.VulnerabilityID, v.Title, fmt.Sprintf("%s %s: %s", v.PkgName, v.InstalledVersion, cmp.Or(v.Title, v.VulnerabilityID)), fix, v.Severity, 0)
		}
	}
	return list, nil
}

// trivyPaths returns the paths of a file that Trivy tells from what it was told to look at: a folder, or the file itself.
func trivyPaths(artifact, name, target string) []string {
	if artifact != "filesystem" && artifact != "repository" {
		return nil
	}
	if filepath.Base(name) == target {
		return []string{tidyPath(name), tidyPath(filepath.Join(name, target))}
	}
	return []string{tidyPath(filepath.Join(name, target))}
}

type checkovCheck struct {
	ID       string `json:"check_id"`
	Name     string `json:"check_name"`
	Path     string `json:"file_path"`      // from the folder that was scanned
	Repo     string `json:"repo_file_path"` // from where it ran, with a slash before it
	Absolute string `json:"file_abs_path"`
	Lines    []int  `json:"file_line_range"`
	Resource string `json:"resource"`
	Severity string `json:"severity"`
}

func checkovReport(parts []json.RawMessage) ([]Finding, error) {
	var list []Finding
	var failed []string
	for _, part := range parts {
		var r struct {
			Type    string `json:"check_type"`
			Summary struct {
				Errors int `json:"parsing_errors"`
			} `json:"summary"`
			Results struct {
				Errors []string       `json:"parsing_errors"`
				Failed []checkovCheck `json:"failed_checks"`
			} `json:"results"`
		}
		if err := json.Unmarshal(part, &r); err != nil {
			return nil, fmt.Errorf("read the JSON of Checkov: %w", err)
		}
		failed = append(failed, r.Results.Errors...)
		if r.Summary.Errors > len(r.Results.Errors) {
			failed = append(failed, "a file that it does not name")
		}
		for _, c := range r.Results.Failed {
			list = append(list, c.finding(r.Type))
		}
	}
	return list, notAll(failed)
}

// finding returns what a check of files of some type says.
func (c checkovCheck) finding(of string) Finding {
	f := Finding{Tool: "checkov", Rule: c.ID, Title: c.Name, Message: c.Name, Severity: severityOf(c.Severity), File: fromRoot(c.Path)}
	if c.Repo != "" {
		f.paths = []string{fromRoot(c.Repo), tidyPath(c.Absolute)}
	}
	if kind, object, ok := strings.Cut(c.Resource, "."); ok && of == "kubernetes" {
		namespace, name, _ := strings.Cut(object, ".")
		if namespace == "default" { // it says so where the manifest names none
			namespace = ""
		}
		f.About = evidence.RefTo(kind, namespace, name)
	} else if c.Resource != "" {
		f.Message += " (" + c.Resource + ")"
	}
	if len(c.Lines) > 0 {
		f.Line = c.Lines[0]
	}
	return f
}

// fromRoot returns a path of Checkov's, which begins with a slash wherever it is told from.
func fromRoot(path string) string { return tidyPath(strings.TrimPrefix(path, "/")) }

func semgrepReport(data []byte) ([]Finding, error) {
	var r struct {
		Errors  []struct{ Level, Path string }
		Results []struct {
			ID    string `json:"check_id"`
			Path  string `json:"path"`
			Start struct{ Line, Col int }
			Extra struct {
				Message, Severity, Fix string
				Ignored                bool `json:"is_ignored"`
			}
		}
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read the JSON of Semgrep: %w", err)
	}
	var list []Finding
	for _, m := range r.Results {
		f := Finding{
			Tool: "semgrep", Rule: m.ID, Message: m.Extra.Message, Severity: severityOf(m.Extra.Severity), File: tidyPath(m.Path), Line: m.Start.Line, Column: m.Start.Col,
		}
		if m.Extra.Ignored {
			f.Waived = "suppressed in semgrep"
		}
		list = append(list, f)
	}
	var failed []string
	for _, e := range r.Errors {
		if e.Level != "info" {
			failed = append(failed, cmp.Or(e.Path, "a file that it does not name"))
		}
	}
	return list, notAll(failed)
}

// eslintUnruled is the name of what ESLint finds by no rule.
const eslintUnruled = "parse"

type eslintMessage struct {
	RuleID       string `json:"ruleId"`
	Message      string
	Severity     int
	Fatal        bool
	Line, Column int
	Suppressions []struct{ Kind, Justification string }
}

func eslintReport(data []byte) ([]Finding, error) {
	var files []struct {
		FilePath   string
		Messages   []eslintMessage
		Suppressed []eslintMessage `json:"suppressedMessages"`
	}
	if err := json.Unmarshal(data, &files); err != nil {
		return nil, fmt.Errorf("read the JSON of ESLint: %w", err)
	}
	var list []Finding
	var failed []string
	for _, file := range files {
		for _, m := range slices.Concat(file.Messages, file.Suppressed) {
			ignored := m.RuleID == "" && m.Line == 0 // the file was named, and its configuration leaves it out
			if m.Fatal || ignored {
				failed = append(failed, file.FilePath)
			}
			if !ignored {
				list = append(list, m.finding(file.FilePath))
			}
		}
	}
	return list, notAll(failed)
}

func (m eslintMessage) finding(file string) Finding {
	f := Finding{
		Tool: "eslint", Rule: cmp.Or(m.RuleID, eslintUnruled), Message: m.Message, Severity: Warning, File: tidyPath(file), Line: m.Line, Column: m.Column,
	}
	if m.Severity == 2 {
		f.Severity = Error
	}
	var accepted []sarifSuppression
	for _, s := range m.Suppressions {
		kind := "external"
		if s.Kind == "directive" {
			kind = "inSource"
		}
		accepted = append(accepted, sarifSuppression{Kind: kind, Justification: s.Justification})
	}
	f.suppressed(accepted)
	return f
}

// linterReport reads what kube-linter found. It names objects and no lines.
func linterReport(data []byte) ([]Finding, error) {
	var r struct {
		Reports []struct {
			Check, Remediation string
			Diagnostic         struct{ Message, Severity string }
			Object             struct {
				Metadata  struct{ FilePath string }
				K8sObject struct {
					Namespace, Name  string
					GroupVersionKind struct{ Kind string }
				}
			}
		}
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read the JSON of kube-linter: %w", err)
	}
	var list []Finding
	for _, m := range r.Reports {
		o := m.Object.K8sObject
		list = append(list, Finding{
			Tool: "kube-linter", Rule: m.Check, Message: m.Diagnostic.Message, Fix: m.Remediation, Severity: severityOf(m.Diagnostic.Severity), File: tidyPath(m.Object.Metadata.FilePath),
			About: evidence.RefTo(o.GroupVersionKind.Kind, o.Namespace, o.Name),
		})
	}
	return list, nil
}
