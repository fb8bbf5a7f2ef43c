// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"bytes"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// rewrite puts a value in place of another of which nothing stays.
func (e *editor) rewrite(at spot, want any) error {
	from := at.content
	if at.Style&yamlv3.TaggedStyle != 0 {
		from = at.start // a tag says what the old value was
	}
	own := !at.node.flow() && (at.Kind == mapping || at.Kind == sequence) // it has lines of its own
	switch {
	case at.key != nil && at.start == at.end && !strings.Contains(string(e.doc.src[at.key.end:at.start]), ":") && e.doc.src[at.start-1] != ':':
		return e.unsafe(at, "is written without a colon: give it one first")
	case at.flow:
		e.replace(from, at.end, e.gap(from)+e.inFlow(at, want))
	case own && at.key != nil:
		end, ok := e.doc.before(at.content)
		if !ok || end < e.afterKey(at) {
			return e.unsafe(at, "begins in the line of its key: change it by hand")
		}
		if filled(want) {
			e.replace(end, e.doc.lineEnd(at.end), e.style.under(want, e.doc.column(at.key.start)))
			return nil
		}
		head, body := e.literalParts(at, want)
		if body != "" {
			end = e.doc.lineEnd(e.afterKey(at)) // comments in between would become part of it
		}
		e.replace(e.afterKey(at), e.afterKey(at), " "+head)
		e.replace(end, e.doc.lineEnd(at.end), body)
	case !filled(want):
		head, body := e.literalParts(at, want)
		end := e.doc.lineEnd(at.end)
		e.replace(from, at.end, e.gap(from)+head)
		e.replace(end, end, body)
	case own:
		e.replace(at.content, at.end, e.style.block(want, e.doc.column(at.content)))
	case at.key == nil:
		gap := e.gap(from)
		e.replace(from, at.end, gap+e.style.block(want, e.doc.column(from)+len(gap)))
	default:
		end := e.doc.lineEnd(at.end)
		e.replace(e.afterKey(at), at.end, "")
		e.replace(end, end, e.style.under(want, e.doc.column(at.key.start)))
	}
	return nil
}

// literalParts returns a scalar or an empty collection as what stands in the line of its key, before a comment, and the lines below.
func (e *editor) literalParts(at spot, want any) (head, body string) {
	text := e.inline(at, want)
	head, _, _ = strings.Cut(text, e.style.eol)
	body = text[len(head):]
	if body != "" && head != "|-" && e.doc.lineEnd(at.end) == e.doc.end {
		body += e.style.eol // the last break counts, and the source has none at its end
	}
	return head, body
}

// inFlow returns a value for a collection in flow style, with the quotes of what it replaces.
func (e *editor) inFlow(at spot, want any) string {
	json := e.style.json || at.key != nil && e.doc.src[at.key.start] == '"'
	if text, ok := want.(string); ok && !json {
		if as, ok := inQuotes(at, text); ok {
			return as
		}
	}
	return flowText(want, json)
}

// inQuotes returns a text in the quotes of what it replaces, if that has any.
func inQuotes(at spot, text string) (string, bool) {
	switch {
	case at.Style&yamlv3.DoubleQuotedStyle != 0:
		return quote(text), true
	case at.Style&yamlv3.SingleQuotedStyle != 0 && printable(text, ""):
		return "'" + strings.ReplaceAll(text, "'", "''") + "'", true
	}
	return "", false
}

// gap is the blank that parts a value from its colon or dash where nothing was written before.
func (e *editor) gap(from int) string {
	if from > e.doc.start && strings.ContainsRune(":-", rune(e.doc.src[from-1])) {
		return " "
	}
	return ""
}

// afterKey is where the colon of an entry, and the anchor of its value if it has one, is over.
func (e *editor) afterKey(at spot) int {
	if at.start < at.content && at.Style&yamlv3.TaggedStyle == 0 {
		return at.start + len(strings.Fields(string(e.doc.src[at.start:at.content]))[0])
	}
	return at.key.end + bytes.IndexByte(e.doc.src[at.key.end:], ':') + 1
}

// inline returns a scalar or an empty collection in the style of the value that it replaces.
func (e *editor) inline(at spot, want any) string {
	text, ok := want.(string)
	column := e.doc.column(at.start)
	if at.key != nil {
		column = e.doc.column(at.key.start)
	} else if at.dash >= 0 {
		column = e.doc.column(at.dash)
	}
	if !ok {
		return e.style.scalar(want, column)
	}
	if as, ok := inQuotes(at, text); ok {
		return as
	}
	if at.Style&(yamlv3.LiteralStyle|yamlv3.FoldedStyle) != 0 && canBeLiteral(text) {
		return e.style.literal(text, e.indentOf(at, column+e.style.step))
	}
	return e.style.scalar(text, column)
}

// indentOf returns how far the lines of a literal text are indented, or what to indent them by where it has none.
func (e *editor) indentOf(at spot, otherwise int) int {
	for line := range strings.Lines(string(e.doc.src[e.doc.lineEnd(at.content):at.end])) {
		if text := strings.TrimLeft(line, " "); strings.Trim(text, "\r\n") != "" {
			return len(line) - len(text)
		}
	}
	return otherwise
}

// begin writes a mapping into a document that has nothing but comments.
func (e *editor) begin(want any) {
	if !filled(want) {
		return
	}
	text := e.style.block(want, 0)
	if d := e.doc; d.end > d.start && d.src[d.end-1] != '\n' {
		text = e.style.eol + text
	} else {
		text += e.style.eol
	}
	e.replace(e.doc.end, e.doc.end, text)
}

// lead is the dash of an element with the blanks that follow it in this sequence.
func (e *editor) lead(at spot) string {
	if at.Kind == sequence && len(at.kids) > 0 {
		first := at.kids[0]
		if text := string(e.doc.src[first.dash:first.start]); len(text) > 1 && strings.Trim(text[1:], " ") == "" {
			return text
		}
	}
	return "- "
}
