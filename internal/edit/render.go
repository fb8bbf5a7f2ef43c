// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// A style is how a document is written, as far as what is put into it should look the same.
type style struct {
	eol  string
	step int  // how much deeper a mapping in a mapping is indented
	list int  // how much deeper a sequence in a mapping is
	json bool // it is JSON
}

func styleOf(d *document) style {
	s := style{eol: "\n", step: 2, list: 2}
	if m := lineBreak.Find(d.src[d.start:d.end]); m != nil {
		s.eol = string(m)
	}
	if d.root == nil {
		return s
	}
	step, list := -1, -1
	d.look(d.root, &step, &list)
	if step > 0 {
		s.step, s.list = step, step
	}
	if list >= 0 {
		s.list = list
	}
	s.json = d.root.flow() && d.src[d.root.content] == '{' && len(d.root.kids) > 0 && d.src[d.root.kids[0].start] == '"'
	return s
}

// look finds how the first mapping and the first sequence in a mapping are indented, both in block style.
func (d *document) look(n *node, step, list *int) {
	for i, kid := range n.kids {
		if n.Kind == mapping && !n.flow() && i%2 == 1 && !kid.flow() && len(kid.kids) > 0 {
			deeper := d.column(kid.content) - d.column(n.kids[i-1].start)
			if kid.Kind == mapping && *step < 0 {
				*step = deeper
			}
			if kid.Kind == sequence && *list < 0 {
				*list = deeper
			}
		}
		d.look(kid, step, list)
	}
}

// filled tells whether a value is a collection with something in it.
func filled(v any) bool {
	m, isMap := v.(map[string]any)
	l, isList := v.([]any)
	return isMap && len(m) > 0 || isList && len(l) > 0
}

// ordered puts the name first, as everybody writes it; the rest is sorted.
func ordered(keys []string) []string {
	if i := slices.Index(keys, "name"); i > 0 {
		keys = slices.Concat([]string{"name"}, keys[:i], keys[i+1:])
	}
	return keys
}

// block returns a value in block style; its first line begins at the column, and its other lines are indented to there.
func (s style) block(v any, column int) string {
	var lines []string
	switch v := v.(type) {
	case map[string]any:
		for _, key := range ordered(slices.Sorted(maps.Keys(v))) {
			lines = append(lines, s.entry(item{key, v[key]}, column, ""))
		}
	case []any:
		for _, element := range v {
			lines = append(lines, s.entry(item{"", element}, column, "- "))
		}
	}
	if len(lines) == 0 {
		return s.scalar(v, column)
	}
	return strings.Join(lines, s.eol+strings.Repeat(" ", column))
}

// entry returns an entry of a mapping, or an element of a sequence behind its dash.
func (s style) entry(i item, column int, dash string) string {
	switch {
	case i.key == "" && dash != "":
		return dash + s.block(i.value, column+len(dash))
	case filled(i.value):
		return key(i.key) + ":" + s.under(i.value, column)
	}
	return key(i.key) + ": " + s.scalar(i.value, column)
}

// under returns the lines of a collection below a key that stands at the column.
func (s style) under(v any, column int) string {
	column += s.step
	if _, ok := v.([]any); ok {
		column += s.list - s.step
	}
	return s.eol + strings.Repeat(" ", column) + s.block(v, column)
}

// scalar returns a scalar or an empty collection; a text of several lines is literal, with its lines below the column.
func (s style) scalar(v any, column int) string {
	text, ok := v.(string)
	switch {
	case !ok:
		return flowText(v, false)
	case strings.Contains(text, "\n") && canBeLiteral(text):
		return s.literal(text, column+s.step)
	}
	return plain(text)
}

// canBeLiteral tells whether a text can stand in literal style and needs no indicator of its indentation.
func canBeLiteral(text string) bool {
	return text != "" && !strings.ContainsAny(text[:1], " \n\t") && strings.Trim(text, "\n") != "" && printable(text, "\n\t")
}

func (s style) literal(text string, column int) string {
	header, body := "|", strings.TrimSuffix(text, "\n")
	switch {
	case !strings.HasSuffix(text, "\n"):
		header = "|-"
	case strings.HasSuffix(body, "\n"):
		header = "|+"
	}
	var out strings.Builder
	out.WriteString(header)
	for line := range strings.SplitSeq(body, "\n") {
		out.WriteString(s.eol)
		if line != "" {
			out.WriteString(strings.Repeat(" ", column) + line)
		}
	}
	return out.String()
}

// flowEntry returns an entry or an element in flow style.
func flowEntry(i item, asJSON bool) string {
	switch {
	case i.key == "":
		return flowText(i.value, asJSON)
	case asJSON:
		return quote(i.key) + ": " + flowText(i.value, asJSON)
	}
	return key(i.key) + ": " + flowText(i.value, asJSON)
}

// flowText returns any value in flow style, as JSON if asked to.
func flowText(v any, asJSON bool) string {
	var parts []string
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if asJSON {
			return quote(v)
		}
		return plain(v)
	case map[string]any:
		for _, k := range ordered(slices.Sorted(maps.Keys(v))) {
			parts = append(parts, flowEntry(item{k, v[k]}, asJSON))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		for _, element := range v {
			parts = append(parts, flowText(element, asJSON))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v) // a number as it stands, or a truth value
}

// key returns a key of a mapping.
func key(text string) string { return plain(text) }

// simple is text that has no meaning of its own in either style: no indicator begins it, and none that ends it is in it.
var simple = regexp.MustCompile(`^(?:[A-Za-z0-9_./+$(]|-[A-Za-z0-9_./-])(?:[A-Za-z0-9_./+$()=@%~^*&;<>!?|'-]|:[A-Za-z0-9_./]| [A-Za-z0-9_./+$()=@%~*&;<>-])*$`)

// plain returns a text without quotes where every reader takes it for the same text, be it of YAML 1.1, as Kubernetes' is, or 1.2.
func plain(text string) string {
	if !simple.MatchString(text) || strings.HasPrefix(text, "---") {
		return quote(text)
	}
	var old, now any
	if yaml.Unmarshal([]byte(text), &old) != nil || yamlv3.Unmarshal([]byte(text), &now) != nil || old != text || now != text {
		return quote(text)
	}
	return text
}

// quote returns a text in double quotes, as in JSON, which is YAML as well; what is not printable is escaped.
func quote(text string) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(text) != nil {
		return `""` // cannot happen: a string
	}
	var b strings.Builder
	for _, r := range strings.TrimSuffix(out.String(), "\n") {
		if r < 0x10000 && !printable(string(r), "") {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// printable tells whether all of a text can stand in YAML as it is, apart from what else is allowed.
func printable(text, also string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune(also, r) && (unicode.IsControl(r) || r == '\uFEFF' || r == '\u2028' || r == '\u2029' || r == 0xFFFE || r == 0xFFFF)
	}) < 0
}
