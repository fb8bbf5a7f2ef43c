// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"bytes"
	"strings"
)

// A span is an entry of a mapping or an element of a sequence in the source.
type span struct {
	key        string
	name       string // its path
	start, end int
	gone       bool // it is not wanted
	merges     bool // it is a merge key
}

// An item is an entry or, without a key, an element that is to be added.
type item struct {
	key   string
	value any
}

// remove takes away the entries of a collection that are not wanted; some are. In block style whole lines go, with the comment behind a
// value; comments on lines of their own stay.
func (e *editor) remove(at spot, all []span) error {
	if at.node.flow() {
		return e.removeFlow(at, all)
	}
	for i := 0; i < len(all); i++ {
		switch {
		case !all[i].gone:
		case e.doc.indented(all[i].start):
			e.removeLines(all[i])
		case i == 0 && at.Kind == mapping:
			i = e.removeFirst(all) - 1
		default:
			return e.unsafe(at, "stands in the line of what is around it: change it by hand")
		}
	}
	return nil
}

func (e *editor) removeLines(s span) {
	end := e.doc.lineEnd(s.end)
	if from, ok := e.doc.before(s.start); ok {
		e.replace(from, end, "")
		return
	}
	if m := lineBreak.FindIndex(e.doc.src[end:e.doc.end]); m != nil {
		end += m[1]
	}
	e.replace(e.doc.lineStart(s.start), end, "")
}

// removeFirst takes away the first entries of a mapping that begins in the line of a dash, and returns the index of the first that stays.
// That moves up to the dash, unless a comment stands in between.
func (e *editor) removeFirst(all []span) int {
	next := 0
	for all[next].gone {
		next++
	}
	between := string(e.doc.src[e.doc.lineEnd(all[next-1].end):all[next].start])
	if !strings.Contains(between, "#") {
		e.replace(all[0].start, all[next].start, "")
		return next
	}
	from := all[0].start
	for e.doc.src[from-1] == ' ' {
		from--
	}
	e.replace(from, e.doc.lineEnd(all[0].end), "")
	for i := 1; i < next; i++ {
		e.removeLines(all[i])
	}
	return next
}

// removeFlow takes away entries with the commas that parted them.
func (e *editor) removeFlow(at spot, all []span) error {
	first := 0
	for all[first].gone {
		first++
	}
	cut := func(from, to int) error {
		if bytes.Contains(e.doc.src[from:to], []byte("#")) && bytes.ContainsAny(e.doc.src[from:to], "\r\n") {
			return e.unsafe(at, "has comments between its entries: change it by hand")
		}
		e.replace(from, to, "")
		return nil
	}
	if first > 0 {
		if err := cut(all[0].start, all[first].start); err != nil {
			return err
		}
	}
	for i := first + 1; i < len(all); i++ {
		if all[i].gone {
			if err := cut(all[i-1].end, all[i].end); err != nil {
				return err
			}
		}
	}
	return nil
}

// add puts in items after one of a collection that is not empty, or before the first (-1).
func (e *editor) add(at spot, all []span, after int, items []item) error {
	switch {
	case len(items) == 0:
		return nil
	case at.node.flow() && e.doc.src[at.content] != '{' && e.doc.src[at.content] != '[':
		return e.unsafe(at, "is a pair without brackets: change it by hand")
	case at.node.flow():
		e.addFlow(at, all, after, items)
		return nil
	}
	column := e.doc.column(all[0].start)
	lead := e.lead(at)
	var text strings.Builder
	for _, i := range items {
		text.WriteString(e.style.eol + strings.Repeat(" ", column) + e.style.entry(i, column, lead))
	}
	if after >= 0 {
		end := e.doc.lineEnd(all[after].end)
		e.replace(end, end, text.String())
		return nil
	}
	if !e.doc.indented(all[0].start) {
		return e.unsafe(at, "begins in the line of what is around it: change it by hand")
	}
	e.addBefore(e.doc.above(all[0].start), text.String())
	return nil
}

// addBefore puts lines before that of a place.
func (e *editor) addBefore(at int, text string) {
	if end, ok := e.doc.before(at); ok {
		e.replace(end, end, text)
		return
	}
	start := e.doc.lineStart(at)
	e.replace(start, start, strings.TrimPrefix(text, e.style.eol)+e.style.eol)
}

// above returns the first of the lines of comments that stand right above a place, which go with it.
func (d *document) above(at int) int {
	for {
		end, ok := d.before(at)
		if !ok || !strings.HasPrefix(strings.TrimLeft(string(d.src[d.lineStart(end):end]), " \t"), "#") {
			return at
		}
		at = d.lineStart(end)
	}
}

// addFlow puts items into a collection in flow style, each on a line of its own where the others have one.
func (e *editor) addFlow(at spot, all []span, after int, items []item) {
	json := at.Kind == mapping && e.doc.src[all[0].start] == '"' || e.style.json
	beside := all[max(after, 0)].start
	part := ", "
	if e.doc.indented(beside) {
		part = "," + e.style.eol + string(e.doc.src[e.doc.lineStart(beside):beside])
	}
	var text strings.Builder
	for _, i := range items {
		if after >= 0 {
			text.WriteString(part)
		}
		text.WriteString(flowEntry(i, json))
		if after < 0 {
			text.WriteString(part)
		}
	}
	place := all[0].start
	if after >= 0 {
		place = all[after].end
	}
	e.replace(place, place, text.String())
}
