// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kubeinquest/inquest/internal/regex"
)

// maxMarks is how many combining marks may follow one letter. Vietnamese and pointed Hebrew need three; a pile of
// them is drawn over the lines above.
const maxMarks = 4

// Escape makes text from a cluster safe to print on one line of a terminal. Whatever a terminal might act on, or would
// not show, becomes visible as \n, \x1b or \u202e: control characters, also as single bytes beyond ASCII, text
// direction, zero width and tag characters, line separators, and bytes that are no UTF-8. A tab becomes a space.
// Everything else stays as it is, a backslash too, so that the result reads well but cannot be turned back. Escaping
// twice is the same as escaping once.
func Escape(s string) string {
	return escape(s, " ", `\n`)
}

// EscapeLines is Escape for text of several lines: line breaks stay, a carriage return before one goes, and a tab
// becomes four blanks.
func EscapeLines(s string) string {
	return escape(strings.ReplaceAll(s, "\r\n", "\n"), "    ", "\n")
}

func escape(s, tab, newline string) string {
	if isPlain(s) {
		return s
	}
	out := make([]byte, 0, len(s)+16)
	marks := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && size == 1:
			out = fmt.Appendf(out, `\x%02x`, s[i])
		case r == '\t':
			out = append(out, tab...)
		case r == '\n':
			out = append(out, newline...)
		case r == '\r':
			out = append(out, `\r`...)
		case r < ' ' || r == 0x7f:
			out = fmt.Appendf(out, `\x%02x`, r)
		case marks <= maxMarks && isVisible(r):
			out = append(out, s[i:i+size]...)
		case r > 0xffff:
			out = fmt.Appendf(out, `\U%08x`, r)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	return string(out)
}

// isPlain says whether s is printable ASCII, as most text is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isVisible says whether a reader sees that r is there. Letters, marks, numbers, punctuation, symbols and blanks are
// seen, which leaves out control and format characters, line separators, private use and unassigned code points; of
// the former, what Unicode gives no look of its own is not (DerivedCoreProperties, Default_Ignorable_Code_Point).
func isVisible(r rune) bool {
	return unicode.IsGraphic(r) && (r == emojiLook || !unicode.Is(ignorable, r))
}

// emojiLook asks for the coloured form of the symbol before it.
const emojiLook = 0xfe0f

// ignorable are the graphic characters that are drawn as nothing.
var ignorable = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x034f, Hi: 0x034f, Stride: 1}, // grapheme joiner
		{Lo: 0x115f, Hi: 0x1160, Stride: 1}, // Hangul fillers
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1}, // Khmer inherent vowels
		{Lo: 0x180b, Hi: 0x180f, Stride: 1}, // Mongolian selectors
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // empty Braille pattern
		{Lo: 0x3164, Hi: 0x3164, Stride: 1}, // Hangul filler
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, // variation selectors
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1}, // Hangul filler, half width
	},
	R32: []unicode.Range32{
		{Lo: 0xe0100, Hi: 0xe01ef, Stride: 1}, // variation selectors
	},
}

// markdownSyntax escapes what Markdown acts on anywhere in a line. Angle brackets and ampersands become entities, which
// renderers agree on even where they disagree on backslashes.
var markdownSyntax = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `|`, `\|`, `~`, `\~`, `$`, `\$`,
	`<`, `&lt;`, `>`, `&gt;`, `&`, `&amp;`, `://`, `\://`, `www.`, `www\.`, `WWW.`, `WWW\.`,
)

// EscapeMarkdown makes text from a cluster safe inside one line of Markdown, a table cell included: it shows as Escape
// shows it, with no markup, HTML, link, image, formula, list or heading of its own. It is not for code spans or fenced
// blocks, where backslashes show.
func EscapeMarkdown(s string) string {
	s = strings.Trim(Escape(s), " ")
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	start := ""
	switch {
	case s == "":
		return s
	case strings.IndexByte("#+-=:", s[0]) >= 0 && !strings.HasPrefix(s, "://"):
		start, s = `\`+s[:1], s[1:]
	case digits > 0 && digits < len(s) && (s[digits] == '.' || s[digits] == ')'):
		start, s = s[:digits]+`\`+s[digits:digits+1], s[digits+1:]
	}
	return mention.ReplaceAllString(start+markdownSyntax.Replace(s), "$1@<!-- -->")
}

// mention matches where GitHub and GitLab look for the name of a user or a team. They do so in the text that they have
// made of the Markdown, so that no escape but an empty comment keeps the two apart.
var mention = regex.New(`(^|[^\pL\pN_])@\b`)
