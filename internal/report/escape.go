// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Escape makes text from the cluster safe to show on one line: whatever a terminal acts on, and whatever hides or
// reorders other text, is shown as Go writes it in a string, "\x1b" or "\u202e". A tab is shown as a space. The result
// is valid UTF-8.
func Escape(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case hidden(r):
			b.WriteString(shown(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// EscapeLines is Escape for text that may have several lines, which stay lines.
func EscapeLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = Escape(lines[i])
	}
	return strings.Join(lines, "\n")
}

// EscapeMarkdown is Escape for text inside a paragraph of Markdown, where it stays text: no emphasis, no link, no HTML,
// no formula, and no notice to somebody whose name follows an @ sign.
func EscapeMarkdown(s string) string {
	return mention.ReplaceAllString(markdownText.Replace(Escape(s)), "$1@<!-- -->")
}

// markdownText escapes what is punctuation to Markdown in the middle of a line (CommonMark 0.31 and GitHub's extensions).
var markdownText = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`, "$", `\$`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;",
)

// mention matches where GitHub and GitLab look for the name of a user or a team. They do so in the text that they have
// made of the Markdown, so that no escape but an empty comment keeps the two apart.
var mention = regexp.MustCompile(`(^|[^\pL\pN_])@\b`)

// shown writes a rune as Go does in a string.
func shown(r rune) string {
	quoted := strconv.QuoteRuneToASCII(r)
	if r > unicode.MaxASCII && r <= unicode.MaxLatin1 {
		quoted = fmt.Sprintf(`'\u%04x'`, r) // Go's \x80 would be a byte
	}
	return quoted[1 : len(quoted)-1]
}

// hidden tells what a terminal acts on and what hides or reorders text: the control characters of C0 and C1, the format
// characters (which hold those for bidirectional text, those without width and the tags), the separators of lines and
// paragraphs, and the letters that are drawn as nothing. What is not valid UTF-8 is replaced when it is decoded.
func hidden(r rune) bool {
	return r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, blank)
}

// blank holds the letters that are drawn as nothing: Hangul fillers and the empty Braille pattern.
var blank = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x115f, Hi: 0x1160, Stride: 1}, {Lo: 0x2800, Hi: 0x2800, Stride: 1}, {Lo: 0x3164, Hi: 0x3164, Stride: 1}, {Lo: 0xffa0, Hi: 0xffa0, Stride: 1},
}}
