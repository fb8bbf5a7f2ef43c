// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/report"
)

// Outputs are the forms of an answer.
var Outputs = []string{"text", "json", "sarif", "junit", "github"}

// An Output says how an answer is written.
type Output struct {
	Rules   []*diagnosis.Rule // whose documents SARIF takes along
	Version string            // of this program
	Width   int               // of text, in columns
	Color   bool
	FailOn  Severity // from which on findings fail; Off: none
	All     bool     // tell also of what is waived or known
}

// Write writes the answer in a form.
func (o Output) Write(w io.Writer, form string, r *Result) error {
	var data []byte
	var err error
	switch form {
	case "json":
		return o.JSON(w, r)
	case "sarif":
		data, err = o.SARIF(r)
	case "junit":
		data, err = o.JUnit(r)
	case "github":
		data = o.GitHub(r)
	default:
		data = []byte(o.Text(r))
	}
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// Fails tells whether a finding is reason to fail.
func (o Output) Fails(f *Finding) bool {
	return o.FailOn != Off && f.Severity >= o.FailOn && f.Counts()
}

// The parts of JUnit's XML that pipelines read: a suite for each file, a case for each finding.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
		Skipped *junitSkipped `xml:"skipped,omitempty"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

// JUnit writes a case for each finding: one that fails the scan has failed, another that counts has passed, as an answer that
// says more is no test result, and what is waived or known is skipped. Without findings there is one case that has passed.
func (o Output) JUnit(r *Result) ([]byte, error) {
	suites := junitSuites{Name: "inquest scan"}
	for i := range r.Findings {
		f := &r.Findings[i]
		if len(suites.Suites) == 0 || suites.Suites[len(suites.Suites)-1].Name != f.File {
			suites.Suites = append(suites.Suites, junitSuite{Name: f.File})
		}
		s := &suites.Suites[len(suites.Suites)-1]
		c := junitCase{
			Name: fmt.Sprintf("%s %s: %s", f.Rule, f.About, report.Escape(f.Message)), Class: f.Tool + "." + f.Rule, File: f.File, Line: f.Line,
		}
		switch {
		case o.Fails(f) || o.FailOn == Off && f.Counts():
			c.Failure = &junitFailure{f.Severity.String(), report.Escape(f.Message), fmt.Sprintf("%s:%d\n%s", f.File, f.Line, report.Escape(f.Fix))}
			s.Failures++
		case f.Waived != "":
			c.Skipped = &junitSkipped{"waived: " + report.Escape(f.Waived)}
			s.Skipped++
		case f.Known:
			c.Skipped = &junitSkipped{"known from the baseline"}
			s.Skipped++
		}
		s.Tests++
		s.Cases = append(s.Cases, c)
	}
	if len(suites.Suites) == 0 {
		suites.Suites = []junitSuite{{Name: "manifests", Tests: 1, Cases: []junitCase{{Name: fmt.Sprintf("%d manifests without a finding", r.Manifests), Class: Ours}}}}
	}
	for _, s := range suites.Suites {
		suites.Tests, suites.Failures = suites.Tests+s.Tests, suites.Failures+s.Failures
	}
	data, err := xml.MarshalIndent(suites, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(data, '\n')...), nil
}

// githubData and githubProperty escape what workflow commands act on
// (https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts).
var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// GitHub writes the findings that count as annotations of a workflow run: workflow commands.
func (o Output) GitHub(r *Result) []byte {
	var b strings.Builder
	words := map[Severity]string{Note: "notice", Warning: "warning", Error: "error"}
	for i := range r.Findings {
		f := &r.Findings[i]
		if !f.Counts() {
			continue
		}
		text := report.Escape(f.text())
		column := ""
		if f.Column > 0 {
			column = fmt.Sprintf(",col=%d", f.Column)
		}
		fmt.Fprintf(&b, "::%s file=%s,line=%d%s,title=%s::%s\n", words[f.Severity], githubProperty.Replace(f.File), f.Line, column,
			githubProperty.Replace(report.Escape(f.Rule+" "+f.Title)), githubData.Replace(text))
	}
	for _, why := range r.NotPriced {
		fmt.Fprintf(&b, "::notice title=Not checked::%s\n", githubData.Replace(report.Escape(why)))
	}
	return []byte(b.String())
}

// Count tells how many findings there are of each sort.
func (r *Result) Count() (bySeverity [4]int, waived, known int) {
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case f.Waived != "":
			waived++
		case f.Known:
			known++
		default:
			bySeverity[f.Severity]++
		}
	}
	return bySeverity, waived, known
}

// NotChecked says what could not be judged, a sentence each.
func (r *Result) NotChecked() []string {
	var list []string
	for _, err := range r.Failed {
		list = append(list, report.Escape(strings.Join(strings.Fields(err.Error()), " ")))
	}
	return list
}

// drop takes away what the policy does not want to hear of.
func (r *Result) drop() {
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.Severity == Off })
}
