// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"sigs.k8s.io/yaml"
)

// JSON returns the reports for programs: one as a Report, any other number as a ReportList. What a terminal could
// take for a command is written as \u escapes, so that the text read back is what the cluster said.
func JSON(reports []Report) ([]byte, error) {
	return JSONOf(document(reports))
}

// JSONOf returns any other answer as JSON returns reports.
func JSONOf(document any) ([]byte, error) {
	return encode(document, func(r rune) string {
		if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
			return fmt.Sprintf(`\u%04x\u%04x`, high, low)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

// encode writes JSON, with what its encoder lets through and terminals act on as escape says.
func encode(document any, escape func(rune) string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(document); err != nil {
		return nil, fmt.Errorf("write the report as JSON: %w", err)
	}
	return []byte(replaceHidden(b.String(), escape)), nil
}

// YAML returns the reports as JSON does. YAML has no escapes outside of quotes, so what its encoder lets through
// and a terminal could take for a command is shown as Escape shows it.
func YAML(reports []Report) ([]byte, error) {
	return YAMLOf(document(reports))
}

// YAMLOf returns any other answer as YAML returns reports.
func YAMLOf(document any) ([]byte, error) {
	js, err := encode(document, func(r rune) string {
		if r > 0xffff { // a YAML reader takes no surrogates, and these as they are
			return string(r)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
	if err != nil {
		return nil, err
	}
	b, err := yaml.JSONToYAML(js)
	if err != nil {
		return nil, fmt.Errorf("write the report as YAML: %w", err)
	}
	return []byte(replaceHidden(string(b), func(r rune) string { return Escape(string(r)) })), nil
}

func document(reports []Report) any {
	if len(reports) == 1 {
		return reports[0]
	}
	return List{APIVersion: APIVersion, Kind: "ReportList", Items: reports}
}

// replaceHidden replaces what encoders let through and terminals act on. Newlines and tabs are the encoder's own.
func replaceHidden(s string, with func(rune) string) string {
	acts := func(r rune) bool { return !isVisible(r) && r != '\n' && r != unicode.ReplacementChar }
	if !strings.ContainsFunc(s, acts) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if acts(r) {
			b.WriteString(with(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
