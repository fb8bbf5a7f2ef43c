// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// JSON returns the reports for programs: one as a Report, any other number as a ReportList. What a terminal could
// take for a command is written as \u escapes, so that the text read back is what the cluster said.
func JSON(reports []Report) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(document(reports)); err != nil {
		return nil, fmt.Errorf("write the report as JSON: %w", err)
	}
	return replaceUnsafe(b.Bytes(), func(r rune) string { return fmt.Sprintf(`\u%04x`, r) }), nil
}

// YAML returns the reports as JSON does. YAML has no escapes outside of quotes, so what a terminal could take for a
// command is shown as <U+202E>.
func YAML(reports []Report) ([]byte, error) {
	js, err := JSON(reports)
	if err != nil {
		return nil, err
	}
	b, err := yaml.JSONToYAML(js)
	if err != nil {
		return nil, fmt.Errorf("write the report as YAML: %w", err)
	}
	return replaceUnsafe(b, func(r rune) string { return fmt.Sprintf("<U+%04X>", r) }), nil
}

func document(reports []Report) any {
	if len(reports) == 1 {
		return reports[0]
	}
	return List{APIVersion: APIVersion, Kind: "ReportList", Items: reports}
}

// replaceUnsafe replaces the runes that encoders let through and terminals act on.
func replaceUnsafe(b []byte, with func(rune) string) []byte {
	if !bytes.ContainsFunc(b, hidden) {
		return b
	}
	var out strings.Builder
	for _, r := range string(b) {
		if hidden(r) {
			out.WriteString(with(r))
		} else {
			out.WriteRune(r)
		}
	}
	return []byte(out.String())
}

// hidden tells DEL, the C1 controls and what reorders or hides text (Unicode Bidi_Control and the invisible format
// characters).
func hidden(r rune) bool {
	switch {
	case r >= 0x7f && r <= 0x9f, r == 0xad, r == 0x61c, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e,
		r >= 0x2060 && r <= 0x206f, r == 0xfeff:
		return true
	}
	return false
}
