// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"unicode/utf8"
)

// A style is how text looks on a terminal; everything reads the same without.
type style string

// The styles, as the parameters of ECMA-48 SGR.
const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "1;31"
	yellow style = "33"
	green  style = "32"
	cyan   style = "36"
)

// A span is text in one style. Its text is escaped before it gets here.
type span struct {
	text string
	style
}

// A printer sets paragraphs in a given number of columns. Columns are counted in runes.
type printer struct {
	strings.Builder
	width int
	color bool
}

func length(s string) int { return utf8.RuneCountInString(s) }

// para prints the spans as one paragraph: first begins its first line, as many spaces every other. Spans follow one
// another without a space unless their text has one.
func (p *printer) para(first string, spans ...span) {
	margin := length(first)
	p.WriteString(first)
	col, spaces := margin, 0
	for _, piece := range pieces(spans, p.width-margin) {
		need := piece.length()
		if col > margin && piece.space {
			spaces++
		}
		if need == 0 {
			continue
		}
		if col > margin && spaces > 0 && col+spaces+need > p.width {
			p.WriteString("\n" + strings.Repeat(" ", margin))
			col, spaces = margin, 0
		}
		p.WriteString(strings.Repeat(" ", spaces))
		for _, s := range piece.spans {
			p.put(s)
		}
		col, spaces = col+spaces+need, 0
	}
	p.WriteByte('\n')
}

// put prints a span as it is.
func (p *printer) put(s span) {
	if p.color && s.style != plain && s.text != "" {
		p.WriteString("\x1b[" + string(s.style) + "m" + s.text + "\x1b[0m")
		return
	}
	p.WriteString(s.text)
}

// A piece is what stays together on a line.
type piece struct {
	spans []span
	space bool // a line may be broken before it
}

func (p *piece) length() int {
	n := 0
	for _, s := range p.spans {
		n += length(s.text)
	}
	return n
}

// pieces splits spans at spaces, and words that are longer than a line wherever that is full.
func pieces(spans []span, width int) []piece {
	width = max(width, 8)
	var list []piece
	for _, s := range spans {
		for i, word := range strings.Split(s.text, " ") {
			if i == 0 && len(list) > 0 && length(word)+list[len(list)-1].length() <= width {
				list[len(list)-1].spans = append(list[len(list)-1].spans, span{word, s.style})
				continue
			}
			for _, part := range chunks(word, width) {
				list = append(list, piece{[]span{{part, s.style}}, true})
			}
		}
	}
	return list
}

// chunks cuts a word into parts of at most width runes; the empty word is one part.
func chunks(word string, width int) []string {
	var parts []string
	runes := []rune(word)
	for len(runes) > width {
		parts = append(parts, string(runes[:width]))
		runes = runes[width:]
	}
	return append(parts, string(runes))
}

// Wrapped sets text that is escaped as one paragraph of that many columns: first begins its first line, as many spaces every
// other.
func Wrapped(first, text string, width int) string {
	p := &printer{width: max(width, minWidth)}
	p.para(first, span{text, plain})
	return p.String()
}
