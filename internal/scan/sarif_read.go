// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// sarifReport reads SARIF, in which each run is of a tool.
func sarifReport(data []byte) (of []string, list []Finding, err error) {
	var log sarifLog
	if err := json.Unmarshal(data, &log); err != nil {
		return nil, nil, fmt.Errorf("read SARIF: %w", err)
	}
	if !strings.HasPrefix(log.Version, "2.1") {
		return nil, nil, fmt.Errorf("it is SARIF %q, expected 2.1.0", log.Version)
	}
	var failed []string
	for i := range log.Runs {
		run := &log.Runs[i]
		of = append(of, toolName(run.Tool.Driver.Name))
		failed = append(failed, run.failures()...)
		if toolName(run.Tool.Driver.Name) == "eslint" {
			run.Results = append(run.Results, run.unruled()...)
		}
		for j := range run.Results {
			if r := &run.Results[j]; r.Kind == "" || r.Kind == "fail" {
				list = append(list, run.finding(r))
			}
		}
	}
	return of, list, notAll(failed)
}

func (run *sarifRun) finding(r *sarifResult) Finding {
	rule := run.rule(r)
	f := Finding{Tool: toolName(run.Tool.Driver.Name), Rule: cmp.Or(r.RuleID, rule.ID), File: "."}
	if rule.Short != nil {
		f.Title = rule.Short.Text
	}
	f.Message = cmp.Or(said(f.Tool, r.Message.Text, f.Title), r.Message.Markdown, f.Title, f.Rule)
	level := r.Level
	if level == "" && rule.Default != nil {
		level = rule.Default.Level
	}
	f.Severity = severityOf(level)
	if f.Tool == "checkov" && rule.Properties["security-severity"] == nil { // it knows no severity, and writes error for all
		f.Severity = Warning
	}
	if len(r.Locations) > 0 {
		at := r.Locations[0].Physical
		f.File, f.paths = tidyPath(unescaped(at.Artifact.URI)), run.resolved(at.Artifact)
		f.Line, f.Column = at.Region.StartLine, at.Region.StartColumn
		if f.Tool == "trivy" { // it knows no columns, and writes 1
			f.Column = 0
		}
		if f.About = objectOf(r.Locations[0].Logical); f.About.Kind != "" {
			f.Line = 0
		}
	}
	f.suppressed(r.Suppressions)
	return f
}

// unruled returns what ESLint finds by no rule of its own: a file that it cannot parse, a comment that is for nothing. Its SARIF has that among
// what is wrong with its setting.
func (run *sarifRun) unruled() []sarifResult {
	var list []sarifResult
	for _, i := range run.Invocations {
		for _, note := range i.Setting {
			if note.placed() {
				list = append(list, sarifResult{RuleID: eslintUnruled, Level: note.Level, Message: note.Message, Locations: note.Locations})
			}
		}
	}
	return list
}

// placed tells whether it is about a line.
func (n sarifNote) placed() bool {
	return len(n.Locations) > 0 && n.Locations[0].Physical.Region.StartLine > 0
}

// rule returns what a run says of the rule of a result.
func (run *sarifRun) rule(r *sarifResult) sarifRule {
	rules := run.Tool.Driver.Rules
	if r.RuleIndex != nil && *r.RuleIndex >= 0 && *r.RuleIndex < len(rules) {
		return rules[*r.RuleIndex]
	}
	if i := slices.IndexFunc(rules, func(known sarifRule) bool { return known.ID == r.RuleID }); i >= 0 {
		return rules[i]
	}
	return sarifRule{ID: r.RuleID}
}

// said returns the sentence in the message of a result: Trivy and kube-linter write more lines about it, which stand elsewhere as well.
func said(tool, text, title string) string {
	switch tool {
	case "trivy":
		values := map[string]string{}
		for line := range strings.Lines(text) {
			if key, value, ok := strings.Cut(line, ": "); ok {
				values[key] = strings.TrimSpace(value)
			}
		}
		if values["Message"] == "" && values["Package"] != "" {
			return values["Package"] + " " + values["Installed Version"] + ": " + title
		}
		if values["Match"] != "" {
			return title + " in plain text"
		}
		return cmp.Or(values["Message"], title, text)
	case "kube-linter":
		text, _, _ = strings.Cut(text, "\nobject: ")
	}
	return text
}

// objectOf returns the object that kube-linter names beside a place: it knows no lines, and writes 1.
func objectOf(names []sarifLogical) evidence.Ref {
	is := map[string]string{}
	for _, l := range names {
		is[l.Kind] = l.Short
	}
	if is["GVK/Kind"] == "" {
		return evidence.Ref{}
	}
	return evidence.RefTo(is["GVK/Kind"], is["Object Namespace"], is["Object Name"])
}

// resolved returns the paths that a file has by the folder that the run gives for its name (SARIF 2.1.0, 3.14.14). Trivy gives the file
// itself as the folder where it was told to look at that alone.
func (run *sarifRun) resolved(at sarifArtifact) []string {
	const deepest = 8
	file, base := unescaped(at.URI), at.Base
	folder := ""
	for range deepest {
		next, known := run.Bases[base]
		if !known || path.IsAbs(file) {
			break
		}
		folder = path.Join(unescaped(next.URI), folder)
		base = next.Base
	}
	if !path.IsAbs(folder) {
		return nil
	}
	if path.Base(folder) == file {
		return []string{folder, path.Join(folder, file)}
	}
	return []string{path.Join(folder, file)}
}

// failures are what a run says that went wrong.
func (run *sarifRun) failures() []string {
	var list []string
	tool := toolName(run.Tool.Driver.Name)
	for _, i := range run.Invocations {
		wrong := 0
		for _, note := range slices.Concat(i.Execution, i.Setting) {
			if note.Level == "error" || note.Level == "warning" && (tool == "semgrep" || tool == "eslint" && !note.placed()) {
				wrong++ // a file that Semgrep could not parse, or ESLint was named and ignored, is a warning there
			}
		}
		// kube-linter writes that it was not successful where it has found something.
		if i.Successful != nil && !*i.Successful && (len(run.Results) == 0 || tool != "kube-linter") {
			wrong = max(wrong, 1)
		}
		list = append(list, slices.Repeat([]string{"all that it was given"}, wrong)...)
	}
	return list
}

// suppressed takes in that a tool suppressed its finding. One that is under review or rejected is not accepted (SARIF 2.1.0, 3.35.3).
func (f *Finding) suppressed(list []sarifSuppression) {
	if len(list) == 0 || slices.ContainsFunc(list, func(s sarifSuppression) bool { return s.Status != "" && s.Status != "accepted" }) {
		return
	}
	f.Waived, f.external = cmp.Or(list[0].Justification, "suppressed in "+f.Tool), list[0].Kind == "external"
}

// unescaped returns the path in a URI.
func unescaped(uri string) string {
	if u, err := url.Parse(uri); err == nil && u.Path != "" {
		return u.Path
	}
	return uri
}
