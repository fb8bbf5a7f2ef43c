// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"bytes"
	"fmt"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// The kinds of nodes, by shorter names.
const (
	mapping  = yamlv3.MappingNode
	sequence = yamlv3.SequenceNode
	scalar   = yamlv3.ScalarNode
	alias    = yamlv3.AliasNode
)

// A node is a value in a document with the bytes that it takes: from start, where an anchor or tag stands if it has one, content, where
// the value itself begins, to end. The break that ends its last line is not part of it.
type node struct {
	*yamlv3.Node
	start, content, end int
	dash                int     // of an element of a sequence in block style, else -1
	kids                []*node // keys and values in turn, or elements
	used                bool    // its anchor is used by an alias
}

func (n *node) flow() bool { return n.Style&yamlv3.FlowStyle != 0 }

// child returns the value of a key that stands in a mapping itself, or nil.
func (n *node) child(key string) *node {
	if n != nil && n.Kind == mapping {
		for i := 0; i+1 < len(n.kids); i += 2 {
			if n.kids[i].Kind == scalar && n.kids[i].Value == key {
				return n.kids[i+1]
			}
		}
	}
	return nil
}

// build finds the bytes of a node and of all in it. The parser names where a node begins; where it ends follows from its style. Indent is
// the column of the block around it, or -1.
func (d *document) build(y *yamlv3.Node, indent int) (*node, error) {
	b := &builder{document: d, anchors: map[*yamlv3.Node]*node{}}
	return b.build(y, indent)
}

type builder struct {
	*document
	anchors map[*yamlv3.Node]*node
}

func (b *builder) build(y *yamlv3.Node, indent int) (*node, error) {
	start, err := b.place(y.Line, y.Column)
	if err != nil {
		return nil, err
	}
	n := &node{Node: y, start: start, content: b.properties(start, y), dash: -1}
	if y.Anchor != "" {
		b.anchors[y] = n
	}
	switch y.Kind {
	case alias:
		n.end = start + 1 + len(y.Value)
		if to := b.anchors[y.Alias]; to != nil {
			to.used = true
		}
	case scalar:
		n.end, err = b.scalarEnd(n, indent)
	case mapping:
		err = b.mapping(n, indent)
	case sequence:
		err = b.sequence(n, indent)
	default:
		err = fmt.Errorf("line %d: a node of an unknown kind", y.Line)
	}
	return n, err
}

// properties skips the anchor and the tag before a value.
func (b *builder) properties(at int, y *yamlv3.Node) int {
	for (y.Anchor != "" || y.Style&yamlv3.TaggedStyle != 0) && at < b.end && (b.src[at] == '&' || b.src[at] == '!') {
		end := at
		for end < b.end && !strings.ContainsRune(" \t\r\n", rune(b.src[end])) {
			end++
		}
		if y.Kind == scalar && y.Value == "" && y.Style&^yamlv3.TaggedStyle == 0 {
			at = end // nothing need follow
			for at < b.end && b.src[at] == ' ' && (b.src[at+1] == '&' || b.src[at+1] == '!') {
				at++
			}
			continue
		}
		at = b.skip(end)
	}
	return at
}

// skip goes over blanks, breaks and comments.
func (b *builder) skip(at int) int {
	for at < b.end {
		switch c := b.src[at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			at++
		case c == '#' && (at == b.start || strings.ContainsRune(" \t\r\n,[]{}", rune(b.src[at-1])) || b.src[at-1] == ':' || b.src[at-1] == '-'):
			at = b.lineEnd(at)
		default:
			return at
		}
	}
	return at
}

func (b *builder) mapping(n *node, indent int) error {
	if !n.flow() && len(n.Content) > 0 {
		at, err := b.place(n.Content[0].Line, n.Content[0].Column)
		if err != nil {
			return err
		}
		indent = b.column(at)
		n.content = at
	}
	n.end = n.content + 1
	for i, y := range n.Content {
		kid, err := b.build(y, indent)
		if err != nil {
			return err
		}
		if i%2 == 1 && kid.start == kid.end { // nothing is written: it stands behind the colon, where there is one
			if colon := bytes.IndexByte(b.src[n.kids[i-1].end:kid.start], ':'); colon >= 0 {
				kid.start = n.kids[i-1].end + colon + 1
				kid.content, kid.end = kid.start, kid.start
			}
		}
		n.kids = append(n.kids, kid)
		n.end = max(n.end, kid.end)
	}
	return b.closed(n, '{', '}')
}

func (b *builder) sequence(n *node, indent int) error {
	n.end = n.content
	for i, y := range n.Content {
		dash := -1
		if !n.flow() {
			at := n.end
			if i > 0 || at != n.start {
				at = b.skip(at)
			}
			if at >= b.end || b.src[at] != '-' {
				return fmt.Errorf("line %d: an element of a list has no dash", y.Line)
			}
			dash, indent = at, b.column(at)
		}
		kid, err := b.build(y, indent)
		if err != nil {
			return err
		}
		kid.dash = dash
		n.kids = append(n.kids, kid)
		n.end = max(kid.end, dash+1)
	}
	n.end = max(n.end, n.content+1)
	return b.closed(n, '[', ']')
}

// closed finds the bracket that ends a collection in flow style. A pair in a list, [a: 1], is a mapping without brackets.
func (b *builder) closed(n *node, opens, closes byte) error {
	if !n.flow() || b.src[n.content] != opens {
		return nil
	}
	at := b.skip(n.end)
	if at < b.end && b.src[at] == ',' {
		at = b.skip(at + 1)
	}
	if at >= b.end || b.src[at] != closes {
		return fmt.Errorf("line %d: the end of a collection is not where it was expected", n.Line)
	}
	n.end = at + 1
	return nil
}

func (b *builder) scalarEnd(n *node, indent int) (int, error) {
	switch {
	case n.Style&yamlv3.DoubleQuotedStyle != 0:
		return b.quoted(n.content, '"')
	case n.Style&yamlv3.SingleQuotedStyle != 0:
		return b.quoted(n.content, '\'')
	case n.Style&(yamlv3.LiteralStyle|yamlv3.FoldedStyle) != 0:
		return b.blockEnd(n.content, indent), nil
	}
	return b.plain(n)
}

func (b *builder) quoted(at int, quote byte) (int, error) {
	for i := at + 1; i < b.end; i++ {
		switch {
		case quote == '"' && b.src[i] == '\\':
			i++
		case b.src[i] != quote:
		case quote == '\'' && i+1 < b.end && b.src[i+1] == quote:
			i++
		default:
			return i + 1, nil
		}
	}
	return 0, fmt.Errorf("line %d: the end of a string is not found", b.lineOf(at)-b.line)
}

// blockEnd finds the end of a literal or folded text: the last line that is indented as its first is, or by as much as its header says,
// with the blank lines that follow when these count ("+").
func (b *builder) blockEnd(at, indent int) int {
	end := b.lineEnd(at)
	header, _, _ := strings.Cut(string(b.src[at:end]), "#")
	header = strings.TrimRight(header, " \t")
	keep := strings.Contains(header, "+")
	deep := -1
	if i := strings.IndexAny(header, "123456789"); i > 0 {
		deep = max(indent, 0) + int(header[i]-'0')
	}
	end = at + len(header)
	for line := b.lineOf(at) - b.line; line < len(b.starts); line++ {
		from := b.starts[line]
		to := b.lineEnd(from)
		text := string(b.src[from:to])
		blank := strings.Trim(text, " ") == ""
		column := len(text) - len(strings.TrimLeft(text, " "))
		if !blank && deep < 0 {
			deep = max(column, indent+1)
		}
		if !blank && column < deep {
			break
		}
		if !blank || keep && line+1 < len(b.starts) {
			end = to
		}
	}
	return end
}

// plain finds the end of a text without quotes: it is followed through the source, where breaks stand for blanks and breaks.
func (b *builder) plain(n *node) (int, error) {
	at := n.content
	for i := 0; i < len(n.Value); {
		next := b.skipBlank(at)
		folded := next < b.end && (b.src[next] == '\r' || b.src[next] == '\n')
		blank := n.Value[i] == ' ' || n.Value[i] == '\n'
		switch {
		case folded && blank:
			at = b.skipSpace(next)
			i = len(n.Value) - len(strings.TrimLeft(n.Value[i:], " \n"))
		case at < b.end && b.src[at] == n.Value[i]:
			at, i = at+1, i+1
		default:
			return 0, fmt.Errorf("line %d: the end of a text is not found", n.Line)
		}
	}
	return at, nil
}

// skipSpace goes over blanks and breaks.
func (b *builder) skipSpace(at int) int {
	for at < b.end && strings.IndexByte(" \t\r\n", b.src[at]) >= 0 {
		at++
	}
	return at
}

func (b *builder) skipBlank(at int) int {
	for at < b.end && (b.src[at] == ' ' || b.src[at] == '\t') {
		at++
	}
	return at
}
