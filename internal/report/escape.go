// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"unicode"
)

// Escape makes text from the cluster safe to show on one line.
func Escape(s string) string { return escape(s, false) }

// EscapeLines is Escape for text of several lines.
func EscapeLines(s string) string { return escape(s, true) }

// EscapeMarkdown is Escape for Markdown.
func EscapeMarkdown(s string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`, "]", `\]`, "|", `\|`).Replace(Escape(s))
}

func escape(s string, lines bool) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' && lines:
			b.WriteRune(r)
		case hidden(r) || unicode.IsControl(r):
			fmt.Fprintf(&b, "<U+%04X>", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
