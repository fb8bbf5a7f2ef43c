// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// The parts of SARIF 2.1.0 that are written and read (https://docs.oasis-open.org/sarif/sarif/v2.1.0/). Code scanning of GitHub
// takes rules with help, levels, one location a result, and fingerprints
// (https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool                `json:"tool"`
		Invocations []sarifInvocation        `json:"invocations,omitempty"`
		Bases       map[string]sarifArtifact `json:"originalUriBaseIds,omitempty"` // only read
		ColumnKind  string                   `json:"columnKind,omitempty"`
		Results     []sarifResult            `json:"results"`
	}
	sarifInvocation struct {
		Successful *bool       `json:"executionSuccessful"`
		Execution  []sarifNote `json:"toolExecutionNotifications,omitempty"`
		Setting    []sarifNote `json:"toolConfigurationNotifications,omitempty"`
	}
	sarifNote struct {
		Level     string          `json:"level,omitempty"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"` // only read
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		URI     string      `json:"informationUri,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID         string         `json:"id"`
		Short      *sarifText     `json:"shortDescription,omitempty"`
		Full       *sarifText     `json:"fullDescription,omitempty"`
		Help       *sarifText     `json:"help,omitempty"`
		HelpURI    string         `json:"helpUri,omitempty"`
		Default    *sarifWay      `json:"defaultConfiguration,omitempty"`
		Properties map[string]any `json:"properties,omitempty"` // only read
	}
	sarifWay struct {
		Level string `json:"level,omitempty"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    *int               `json:"ruleIndex,omitempty"`
		Level        string             `json:"level,omitempty"`
		Kind         string             `json:"kind,omitempty"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints,omitempty"`
		Baseline     string             `json:"baselineState,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Properties   map[string]any     `json:"properties,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status,omitempty"`
		Justification string `json:"justification,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifLogical struct {
		Short string `json:"name,omitempty"` // only read
		Name  string `json:"fullyQualifiedName"`
		Kind  string `json:"kind"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

const (
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	fingerprints = "inquest/v1"
	homepage     = "https://github.com/kubeinquest/inquest"
)

// SARIF writes the findings as SARIF 2.1.0, a run for each tool: ours with what its rules say.
func (o Output) SARIF(r *Result) ([]byte, error) {
	log := sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{}}
	tools := []string{Ours}
	for i := range r.Findings {
		if tool := r.Findings[i].Tool; !slices.Contains(tools, tool) {
			tools = append(tools, tool)
		}
	}
	slices.Sort(tools[1:])
	for _, tool := range tools {
		log.Runs = append(log.Runs, o.run(tool, r.Findings))
	}
	if len(r.Failed)+len(r.NotPriced) > 0 {
		judged := len(r.Failed) == 0
		told := sarifInvocation{Successful: &judged}
		for _, why := range r.NotChecked() {
			told.Execution = append(told.Execution, sarifNote{Level: "error", Message: sarifText{Text: why}})
		}
		for _, why := range r.NotPriced {
			told.Execution = append(told.Execution, sarifNote{Level: "note", Message: sarifText{Text: why}})
		}
		log.Runs[0].Invocations = []sarifInvocation{told}
	}
	return indented(log)
}

func (o Output) run(tool string, findings []Finding) sarifRun {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: tool, Rules: []sarifRule{}}}, ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	if tool == Ours {
		run.Tool.Driver.Version, run.Tool.Driver.URI = o.Version, homepage
	}
	at := map[string]int{}
	for i := range findings {
		f := &findings[i]
		if f.Tool != tool {
			continue
		}
		index, known := at[f.Rule]
		if !known {
			index = len(run.Tool.Driver.Rules)
			at[f.Rule] = index
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, o.sarifRule(f))
		}
		run.Results = append(run.Results, result(f, index))
	}
	return run
}

func (o Output) sarifRule(f *Finding) sarifRule {
	rule := sarifRule{ID: f.Rule, Short: &sarifText{Text: cmp.Or(f.Title, f.Rule)}, Default: &sarifWay{f.Severity.String()}}
	if f.Severity == Off {
		rule.Default.Level = "none"
	}
	for _, known := range o.Rules {
		if f.Tool == Ours && known.ID == f.Rule {
			doc := strings.TrimSpace(known.Doc)
			rule.Full, rule.Help = &sarifText{Text: known.Title}, &sarifText{Text: doc, Markdown: doc}
			rule.HelpURI = homepage + "/blob/main/docs/rules/" + f.Rule + ".md"
		}
	}
	return rule
}

func result(f *Finding, index int) sarifResult {
	r := sarifResult{
		RuleID: f.Rule, RuleIndex: &index, Level: f.Severity.String(), Message: sarifText{Text: f.text()},
		Locations: []sarifLocation{{Physical: sarifPhysical{
			sarifArtifact{URI: (&url.URL{Path: f.File}).String()}, sarifRegion{StartLine: max(f.Line, 1), StartColumn: f.Column},
		}}},
		Fingerprints: map[string]string{fingerprints: f.Fingerprint},
	}
	if !strings.HasPrefix(f.File, "/") {
		r.Locations[0].Physical.Artifact.Base = "%SRCROOT%"
	}
	if f.Severity == Off {
		r.Level = "none"
	}
	if f.About.Kind != "" {
		r.Locations[0].Logical = []sarifLogical{{Name: strings.TrimPrefix(f.About.Namespace+"/"+f.About.String(), "/"), Kind: "resource"}}
	}
	if f.Waived != "" {
		kind := "inSource"
		if f.external {
			kind = "external"
		}
		r.Suppressions = []sarifSuppression{{kind, "accepted", f.Waived}}
	}
	if f.Known {
		r.Baseline = "unchanged"
	}
	if len(f.Also) > 0 || f.Cost.Deaths > 0 {
		r.Properties = map[string]any{}
		if len(f.Also) > 0 {
			r.Properties["alsoToldBy"] = f.Also
		}
		if f.Cost.Deaths > 0 {
			r.Properties["cost"] = f.Cost.String()
		}
	}
	return r
}

func indented(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}
