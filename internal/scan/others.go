// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// maxReport bounds the report of another tool.
const maxReport = 256 << 20

// errStranger is of a report that is of no tool that is known.
var errStranger = errors.New("it is no report that is known: expected SARIF 2.1.0, or the JSON of Trivy, Checkov, Semgrep, ESLint or kube-linter")

// Report reads what another tool found: SARIF, or its own JSON. Whose it is, its content tells. Where the report says that the tool could
// not check all, that is an error beside what it did find.
func Report(data []byte) ([]Finding, error) {
	data = bytes.TrimPrefix(bytes.TrimSpace(data), []byte("\xef\xbb\xbf"))
	if len(data) > maxReport {
		return nil, fmt.Errorf("it is larger than the %d MiB that are read", maxReport>>20)
	}
	if !json.Valid(data) {
		return nil, fmt.Errorf("it is not JSON; %w", errStranger)
	}
	if data[0] == '[' {
		return listReport(data)
	}
	var head map[string]json.RawMessage
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, errStranger
	}
	has := func(key string) bool { return len(head[key]) > 0 }
	switch {
	case has("runs"):
		return sarifReport(data)
	case has("Checks") && has("Reports") || has("Summary") && has("Reports"):
		return linterReport(data)
	case has("check_type") || has("passed") && has("failed") && has("parsing_errors"):
		return checkovReport([]json.RawMessage{data})
	case has("results") && (has("errors") || has("paths")):
		return semgrepReport(data)
	case has("Results") || has("ArtifactName") || has("SchemaVersion"):
		return trivyReport(data)
	}
	return nil, errStranger
}

// listReport reads a list: Checkov writes one when it looked at several sorts of files, ESLint always.
func listReport(data []byte) ([]Finding, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	for _, element := range list {
		var head struct {
			CheckType string `json:"check_type"`
			FilePath  string `json:"filePath"`
		}
		if json.Unmarshal(element, &head) != nil || head.CheckType == "" && head.FilePath == "" {
			return nil, errStranger
		}
		if head.CheckType != "" {
			return checkovReport(list)
		}
	}
	return eslintReport(data)
}

func sarifReport(data []byte) ([]Finding, error) {
	var log sarifLog
	if err := json.Unmarshal(data, &log); err != nil {
		return nil, fmt.Errorf("read SARIF: %w", err)
	}
	if !strings.HasPrefix(log.Version, "2.1") {
		return nil, fmt.Errorf("it is SARIF %q, expected 2.1.0", log.Version)
	}
	var list []Finding
	var failed []string
	for i := range log.Runs {
		run := &log.Runs[i]
		failed = append(failed, run.failures()...)
		for j := range run.Results {
			r := &run.Results[j]
			if r.Kind == "" || r.Kind == "fail" {
				list = append(list, fromResult(run, r))
			}
		}
	}
	return list, notAll(failed)
}

func fromResult(run *sarifRun, r *sarifResult) Finding {
	rule := sarifRule{ID: r.RuleID}
	rules := run.Tool.Driver.Rules
	if r.RuleIndex != nil && *r.RuleIndex >= 0 && *r.RuleIndex < len(rules) {
		rule = rules[*r.RuleIndex]
	} else if i := slices.IndexFunc(rules, func(known sarifRule) bool { return known.ID == r.RuleID }); i >= 0 {
		rule = rules[i]
	}
	level := r.Level
	if level == "" && rule.Default != nil {
		level = rule.Default.Level
	}
	f := Finding{
		Tool: toolName(run.Tool.Driver.Name), Rule: cmp.Or(r.RuleID, rule.ID), Severity: levels[cmp.Or(level, "warning")],
		Message: r.Message.Text, Line: 1,
	}
	if rule.Short != nil {
		f.Title = rule.Short.Text
	}
	if len(r.Locations) > 0 {
		at := r.Locations[0].Physical
		f.File, f.Line, f.Column = tidyPath(unescaped(at.Artifact.URI)), max(at.Region.StartLine, 1), at.Region.StartColumn
	}
	f.suppressed(r.Suppressions)
	return f
}

// levels are those of SARIF and of the tools' own words.
var levels = map[string]Severity{
	"none": Note, "note": Note, "warning": Warning, "error": Error,
	"UNKNOWN": Note, "LOW": Note, "MEDIUM": Warning, "HIGH": Error, "CRITICAL": Error,
	"INFO": Note, "WARNING": Warning, "ERROR": Error,
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
		Results []struct {
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
				Tool: "trivy", Rule: rule, Title: title, Message: message, Fix: fix, Severity: levels[severity], File: tidyPath(target.Target), Line: max(line, 1),
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
			add(v.VulnerabilityID, v.Title, fmt.Sprintf("%s %s: %s", v.PkgName, v.InstalledVersion, cmp.Or(v.Title, v.VulnerabilityID)), fix, v.Severity, 1)
		}
	}
	return list, nil
}

func checkovReport(parts []json.RawMessage) ([]Finding, error) {
	var list []Finding
	var failed []string
	for _, part := range parts {
		var r struct {
			Summary struct {
				Errors int `json:"parsing_errors"`
			} `json:"summary"`
			Results struct {
				Errors []string `json:"parsing_errors"`
				Failed []struct {
					ID       string `json:"check_id"`
					Name     string `json:"check_name"`
					Path     string `json:"file_path"`
					Lines    []int  `json:"file_line_range"`
					Resource string `json:"resource"`
					Severity string `json:"severity"`
				} `json:"failed_checks"`
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
			f := Finding{Tool: "checkov", Rule: c.ID, Title: c.Name, Message: c.Name, Severity: Warning, File: tidyPath(strings.TrimPrefix(c.Path, "/")), Line: 1}
			if said, ok := levels[c.Severity]; ok {
				f.Severity = said
			}
			if len(c.Lines) > 0 {
				f.Line = max(c.Lines[0], 1)
			}
			if c.Resource != "" {
				f.Message += " (" + c.Resource + ")"
			}
			list = append(list, f)
		}
	}
	return list, notAll(failed)
}

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
			Tool: "semgrep", Rule: m.ID, Message: m.Extra.Message, Severity: levels[m.Extra.Severity], File: tidyPath(m.Path), Line: max(m.Start.Line, 1), Column: m.Start.Col,
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

func eslintReport(data []byte) ([]Finding, error) {
	var files []struct {
		FilePath string
		Messages []struct {
			RuleID       string `json:"ruleId"`
			Message      string
			Severity     int
			Fatal        bool
			Line, Column int
		}
	}
	if err := json.Unmarshal(data, &files); err != nil {
		return nil, fmt.Errorf("read the JSON of ESLint: %w", err)
	}
	var list []Finding
	var failed []string
	for _, file := range files {
		for _, m := range file.Messages {
			if m.Fatal {
				failed = append(failed, file.FilePath)
			}
			f := Finding{
				Tool: "eslint", Rule: cmp.Or(m.RuleID, "parse"), Message: m.Message, Severity: Warning, File: tidyPath(file.FilePath), Line: max(m.Line, 1), Column: m.Column,
			}
			if m.Severity == 2 {
				f.Severity = Error
			}
			list = append(list, f)
		}
	}
	return list, notAll(failed)
}

// linterReport reads what kube-linter found. It names objects and no lines.
func linterReport(data []byte) ([]Finding, error) {
	var r struct {
		Reports []struct {
			Check, Remediation string
			Diagnostic         struct{ Message string }
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
			Tool: "kube-linter", Rule: m.Check, Message: m.Diagnostic.Message, Fix: m.Remediation, Severity: Warning, File: tidyPath(m.Object.Metadata.FilePath), Line: 1,
			About: evidence.RefTo(o.GroupVersionKind.Kind, o.Namespace, o.Name),
		})
	}
	return list, nil
}

// relative writes an absolute path below a folder as one from there.
func relative(file, root string) string {
	if !filepath.IsAbs(file) {
		return file
	}
	if rel, err := filepath.Rel(root, filepath.FromSlash(file)); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return file
}
