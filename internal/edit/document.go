// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// A document is one of the documents of a source, from its "---" to the next.
type document struct {
	file       string
	src        []byte // the whole source
	start, end int    // of the document, in bytes
	line       int    // how many lines come before it
	starts     []int  // where lines begin, in bytes of the source
	root       *node  // nil when it is empty
	value      any    // as Kubernetes reads it
	err        error  // why it cannot be read
}

var byteOrderMark = []byte("\uFEFF")

func (d *document) text() []byte { return d.src[d.start:d.end] }

// read divides a source into documents, of which some may be unreadable. A line that begins with "---" always begins a document, whatever
// stands around it (YAML 1.2, 9.2), so that one document does not hinder another.
func read(file string, src []byte) ([]*document, error) {
	switch {
	case len(src) > maxSource:
		return nil, fmt.Errorf("%s: is larger than %d MiB, which no manifest is", file, maxSource>>20)
	case !utf8.Valid(src):
		return nil, fmt.Errorf("%s: is not UTF-8: save it as UTF-8 first", file)
	}
	start := 0
	if bytes.HasPrefix(src, byteOrderMark) {
		start = len(byteOrderMark)
	}
	var docs []*document
	for _, end := range append(separators(src, start), len(src)) {
		d := &document{file: file, src: src, start: start, end: end}
		if len(docs) > 0 {
			before := docs[len(docs)-1]
			d.line = before.line + len(before.starts) - 1
		}
		d.parse()
		docs = append(docs, d)
		start = end
	}
	return docs, nil
}

var separator = regexp.MustCompile(`(?m)^---(?:[ \t\r\n]|\z)`)

// separators returns where documents begin after the first one.
func separators(src []byte, start int) []int {
	var at []int
	for _, m := range separator.FindAllIndex(src[start:], -1) {
		if m[0] > 0 {
			at = append(at, start+m[0])
		}
	}
	return at
}

// lineBreak is what ends a line for a reader of YAML 1.1, as Kubernetes has one.
var lineBreak = regexp.MustCompile("\r\n|[\r\n\u0085\u2028\u2029]")

func (d *document) parse() {
	text := d.text()
	d.starts = []int{d.start}
	for _, m := range lineBreak.FindAllIndex(text, -1) {
		d.starts = append(d.starts, d.start+m[1])
	}
	var root yamlv3.Node
	if err := yamlv3.Unmarshal(text, &root); err != nil {
		d.fail(err)
		return
	}
	if root.Kind == 0 || len(root.Content) == 0 {
		return
	}
	data, err := yaml.YAMLToJSON(text)
	if err == nil {
		d.value, err = decode(data)
	}
	if err == nil {
		d.root, err = d.build(root.Content[0], -1)
	}
	if err != nil {
		d.fail(err)
	}
}

var lineInError = regexp.MustCompile(`line (\d+): `)

// fail says why a document cannot be read, and in which line of the source.
func (d *document) fail(err error) {
	line, text := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := lineInError.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = strings.Replace(text, m[0], "", 1)
	}
	if i := bytes.Index(d.text(), []byte("{{")); i >= 0 {
		d.err = fmt.Errorf("%s:%d: this is a template and no YAML: change the values that it is rendered with", d.file, d.lineOf(d.start+i))
		return
	}
	d.err = fmt.Errorf("%s:%d: this cannot be read: %s", d.file, d.line+line, text)
}

// lineOf returns the line, from 1, of a place in the source.
func (d *document) lineOf(at int) int {
	return d.line + sort.SearchInts(d.starts, at+1)
}

// place returns where a line and a column are that the parser names, counted from 1 and in characters.
func (d *document) place(line, column int) (int, error) {
	if line < 1 || line > len(d.starts) {
		return 0, fmt.Errorf("line %d: the parser names a line that is not there", line)
	}
	at := d.starts[line-1]
	for range column - 1 {
		if at >= d.end {
			return 0, fmt.Errorf("line %d: the parser names a column that is not there", line)
		}
		_, size := utf8.DecodeRune(d.src[at:d.end])
		at += size
	}
	return at, nil
}

// column returns how many characters stand before a place in its line.
func (d *document) column(at int) int {
	return utf8.RuneCount(d.src[d.lineStart(at):at])
}

func (d *document) lineStart(at int) int {
	return d.starts[sort.SearchInts(d.starts, at+1)-1]
}

// lineEnd returns where the line of a place ends, before its break.
func (d *document) lineEnd(at int) int {
	if m := lineBreak.FindIndex(d.src[at:d.end]); m != nil {
		return at + m[0]
	}
	return d.end
}

// before returns where the line before that of a place ends, and false for the first line of the document.
func (d *document) before(at int) (int, bool) {
	start := d.lineStart(at)
	if start == d.start {
		return start, false
	}
	_, size := utf8.DecodeLastRune(d.src[d.start:start])
	end := start - size
	if size == 1 && d.src[end] == '\n' && end > d.start && d.src[end-1] == '\r' {
		end--
	}
	return end, true
}

// indented tells whether nothing but blanks stands before a place in its line.
func (d *document) indented(at int) bool {
	return strings.Trim(string(d.src[d.lineStart(at):at]), " \t") == ""
}

// decode reads JSON with numbers as they stand.
func decode(data []byte) (any, error) {
	var value any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the JSON")
	}
	return value, nil
}

// same compares values; numbers are the same when they are equal, however written.
func same(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, same)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, same)
	case json.Number:
		y, ok := b.(json.Number)
		return ok && (x == y || sameNumber(x, y))
	}
	return a == b
}

// sameNumber compares numbers that are written differently, as far as a float64 is exact.
func sameNumber(x, y json.Number) bool {
	m, errM := x.Float64()
	n, errN := y.Float64()
	return errM == nil && errN == nil && m == n && m < 1<<53 && m > -1<<53
}
