// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// A quick parser reads the YAML that nearly all manifests are written in, several times faster than a whole parser can: block
// mappings and lists, scalars and flow collections that end in their line, literal blocks. Whatever else it meets, and whatever is
// wrong, it leaves to the whole parser; what it does accept it reads as that one does, which a test holds it to. It knows no
// comments, anchors, tags and folded text.
type quick struct {
	lines [][]byte
	at    int
	cut   int // how much of the line at is read: the dash before an item that begins in its line
	depth int
	bad   bool
	nodes int            // that were made
	spare []yamlv3.Node  // made in advance, many at a time
	room  []*yamlv3.Node // for what collections hold, made in advance too
	open  []*yamlv3.Node // what was read of the collections that are not read to their end
}

// A Scratch is what trees are made of, again and again: a tree is good until the next one is made. It is of one goroutine.
type Scratch struct {
	nodes []yamlv3.Node
	used  int // of the nodes, by the last tree
	room  []*yamlv3.Node
	lines [][]byte
	open  []*yamlv3.Node
	Text  bytes.Buffer // room for the text
}

// maxScratch bounds how many nodes are kept for the next tree.
const maxScratch = 4096

// start returns a parser that makes its tree of what the last one was made of.
func (s *Scratch) start() *quick {
	clear(s.nodes[:s.used])
	return &quick{lines: s.lines, spare: s.nodes, room: s.room, open: s.open}
}

// end keeps what the next tree can be made of.
func (s *Scratch) end(q *quick) {
	switch {
	case q.nodes > maxScratch:
		*s = Scratch{Text: s.Text}
	case q.nodes > len(s.nodes):
		s.nodes, s.room, s.used = make([]yamlv3.Node, 2*q.nodes), make([]*yamlv3.Node, 2*q.nodes), 0
	default:
		s.used = q.nodes
	}
	if q.nodes <= maxScratch {
		s.lines, s.open = q.lines[:0], q.open[:0]
	}
}

// quickly returns the tree of a document, false where it is not for the quick parser. Without a scratch it may be kept.
func quickly(doc []byte, s *Scratch) (*yamlv3.Node, bool) {
	for _, c := range doc {
		if c >= 0x80 || c < ' ' && c != '\n' {
			return nil, false
		}
	}
	q := &quick{}
	if s != nil {
		q = s.start()
		defer s.end(q)
	}
	for rest, more := doc, true; more; {
		var line []byte
		line, rest, more = bytes.Cut(rest, []byte("\n"))
		q.lines = append(q.lines, line)
	}
	in, _, ok := q.peek()
	if !ok {
		return nil, false
	}
	root := q.block(in)
	_, _, more := q.peek()
	return root, !q.bad && !more && root.Kind == yamlv3.MappingNode
}

func (q *quick) fail() *yamlv3.Node {
	q.bad = true
	return &yamlv3.Node{Kind: yamlv3.ScalarNode}
}

// peek returns the next line that says something, without blanks around it, and how far it is indented.
func (q *quick) peek() (in int, text []byte, ok bool) {
	for ; q.at < len(q.lines) && !q.bad; q.at, q.cut = q.at+1, 0 {
		line := q.lines[q.at]
		in = q.cut
		for in < len(line) && line[in] == ' ' {
			in++
		}
		if in < len(line) && (line[in] != '#' || q.cut > 0) {
			return in, bytes.TrimRight(line[in:], " "), true
		}
	}
	return -1, nil, false
}

func (q *quick) next() { q.at, q.cut = q.at+1, 0 }

func (q *quick) node(kind yamlv3.Kind, in int) *yamlv3.Node {
	if len(q.spare) == 0 {
		q.spare = make([]yamlv3.Node, 32)
	}
	n := &q.spare[0]
	q.spare = q.spare[1:]
	q.nodes++
	n.Kind, n.Line, n.Column = kind, q.at+1, in+1
	return n
}

// held returns what was read since so many nodes were open, as what a collection holds.
func (q *quick) held(open int) []*yamlv3.Node {
	read := q.open[open:]
	q.open = q.open[:open]
	if len(read) > len(q.room) {
		q.room = make([]*yamlv3.Node, max(64, len(read)))
	}
	list := q.room[:len(read):len(read)]
	q.room = q.room[len(read):]
	copy(list, read)
	return list
}

// block reads what begins in the next line, so far indented.
func (q *quick) block(in int) *yamlv3.Node {
	if q.depth++; q.depth > maxNesting {
		return q.fail()
	}
	defer func() { q.depth-- }()
	_, text, _ := q.peek()
	if isItem(text) {
		return q.sequence(in)
	}
	return q.mapping(in)
}

func isItem(text []byte) bool { return text[0] == '-' && (len(text) == 1 || text[1] == ' ') }

func (q *quick) mapping(in int) *yamlv3.Node {
	m, open := q.node(yamlv3.MappingNode, in), len(q.open)
	for {
		at, text, ok := q.peek()
		if !ok || at < in || at == in && isItem(text) {
			break
		}
		end := keyLength(text)
		if at > in || end == 0 {
			return q.fail()
		}
		key := q.node(yamlv3.ScalarNode, in)
		key.Value = string(text[:end])
		if text[0] == '"' || text[0] == '\'' {
			key.Value, key.Style = string(text[1:end-1]), styleOf(text[0])
		}
		rest := text[end+1:]
		blanks := len(rest) - len(bytes.TrimLeft(rest, " "))
		value := q.value(rest[blanks:], in+end+1+blanks, in, true)
		q.open = append(q.open, key, value)
	}
	if m.Content = q.held(open); len(m.Content) == 0 {
		return q.fail()
	}
	return m
}

func styleOf(quote byte) yamlv3.Style {
	if quote == '"' {
		return yamlv3.DoubleQuotedStyle
	}
	return yamlv3.SingleQuotedStyle
}

// keyLength returns how long the key is that a line begins with, before its colon; 0 where it begins with none.
func keyLength(text []byte) int {
	if text[0] == '"' || text[0] == '\'' {
		end := bytes.IndexByte(text[1:], text[0]) + 2
		if end > 1 && end < len(text) && bytes.IndexByte(text[:end], '\\') < 0 && text[end] == ':' && (end+1 == len(text) || text[end+1] == ' ') {
			return end
		}
		return 0
	}
	for i, c := range text {
		if c == ':' && (i+1 == len(text) || text[i+1] == ' ') {
			return i
		}
		if !isWord(c) && (i == 0 || c != '-' && c != '/') {
			return 0
		}
	}
	return 0
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (q *quick) sequence(in int) *yamlv3.Node {
	s, open := q.node(yamlv3.SequenceNode, in), len(q.open)
	for {
		at, text, ok := q.peek()
		if !ok || at < in || at == in && !isItem(text) {
			break
		}
		if at > in {
			return q.fail()
		}
		rest := text[1:]
		blanks := len(rest) - len(bytes.TrimLeft(rest, " "))
		rest = rest[blanks:]
		switch {
		case len(rest) == 0 || rest[0] == '#' || isItem(rest):
			return q.fail()
		case keyLength(rest) > 0:
			q.cut = in + 1
			item := q.block(in + 1 + blanks)
			q.open = append(q.open, item)
		default:
			item := q.value(rest, in+1+blanks, in, false)
			q.open = append(q.open, item)
		}
		if q.bad {
			return q.fail()
		}
	}
	s.Content = q.held(open)
	return s
}

// value reads the rest of a line, which begins in a column, as the value of what is so far indented. The value of a key may
// be a list that is indented as the key is.
func (q *quick) value(rest []byte, column, in int, ofKey bool) *yamlv3.Node {
	if len(rest) == 0 || rest[0] == '#' {
		empty := q.node(yamlv3.ScalarNode, column)
		empty.Tag = "!!null"
		q.next()
		at, text, ok := q.peek()
		if ok && (at > in || ofKey && at == in && isItem(text)) {
			return q.block(at)
		}
		return empty
	}
	switch rest[0] {
	case '|':
		return q.literal(rest, column, in)
	case '&':
		return q.anchored(rest, column, in, ofKey)
	}
	n, end := q.inline(rest, 0, column, false)
	if q.bad || !silentRest(rest[end:]) {
		return q.fail()
	}
	q.next()
	if at, _, ok := q.peek(); ok && at > in {
		return q.fail() // it goes on
	}
	return n
}

// anchored reads a value with an anchor, where it then begins. What stands for it again, an alias, is for the whole parser.
func (q *quick) anchored(rest []byte, column, in int, ofKey bool) *yamlv3.Node {
	line, end := q.at+1, 1
	for end < len(rest) && isWord(rest[end]) && rest[end] != '.' && rest[end] != '$' {
		end++
	}
	after := blanks(rest, end)
	if end == 1 || end < len(rest) && rest[end] != ' ' || after < len(rest) && (rest[after] == '&' || rest[after] == '#') {
		return q.fail()
	}
	n := q.value(rest[after:], column+after, in, ofKey)
	if n.Tag != "" {
		return q.fail() // nothing has it
	}
	n.Anchor, n.Line, n.Column = string(rest[1:end]), line, column+1
	return n
}

// silentRest tells whether nothing but a comment follows a value.
func silentRest(rest []byte) bool {
	text := bytes.TrimLeft(rest, " ")
	return len(text) == 0 || text[0] == '#' && len(text) < len(rest)
}

// inline reads a scalar or a flow collection at a place of text that begins in a column.
func (q *quick) inline(text []byte, at, column int, flow bool) (*yamlv3.Node, int) {
	if at >= len(text) {
		return q.fail(), at
	}
	n := q.node(yamlv3.ScalarNode, column+at)
	switch c := text[at]; c {
	case '{', '[':
		return q.flow(n, text, at, column)
	case '\'', '"':
		return q.quoted(n, text, at)
	case '&', '*', '!', '|', '>', '%', '@', '`', ',', ']', '}', '#', '?', ':':
		return q.fail(), at
	case '-':
		if at+1 == len(text) || text[at+1] == ' ' || flow && strings.IndexByte(",[]{}", text[at+1]) >= 0 {
			return q.fail(), at
		}
	}
	end, ok := plainEnd(text, at, flow)
	if !ok {
		return q.fail(), at
	}
	n.Value = strings.TrimRight(string(text[at:end]), " ")
	return n, at + len(n.Value)
}

// plainEnd returns where a plain scalar ends: with the line, at a comment, and in a flow collection at what parts it. Out of one, a colon
// in it is none of its own.
func plainEnd(text []byte, at int, flow bool) (end int, ok bool) {
	for end = at; end < len(text); end++ {
		c := text[end]
		parts := c == '#' && text[end-1] == ' ' || flow && (c == ',' || c == ']' || c == '}')
		colon := c == ':' && (end+1 == len(text) || text[end+1] == ' ' || flow && strings.IndexByte(",[]{}", text[end+1]) >= 0)
		switch {
		case parts, flow && colon:
			return end, true
		case colon, flow && (c == '[' || c == '{'):
			return at, false
		}
	}
	return end, !flow
}

func (q *quick) quoted(n *yamlv3.Node, text []byte, at int) (*yamlv3.Node, int) {
	quote := text[at]
	n.Style = styleOf(quote)
	for end := at + 1; end < len(text); end++ {
		switch {
		case quote == '"' && text[end] == '\\':
			return q.fail(), at
		case text[end] != quote:
		case quote == '\'' && end+1 < len(text) && text[end+1] == quote:
			end++
		default:
			n.Value = strings.ReplaceAll(string(text[at+1:end]), "''", "'")
			if quote == '"' {
				n.Value = string(text[at+1 : end])
			}
			return n, end + 1
		}
	}
	return q.fail(), at
}

// flow reads a collection in brackets that ends in its line.
func (q *quick) flow(n *yamlv3.Node, text []byte, at, column int) (*yamlv3.Node, int) {
	if q.depth++; q.depth > maxNesting {
		return q.fail(), at
	}
	defer func() { q.depth-- }()
	n.Kind, n.Style = yamlv3.SequenceNode, yamlv3.FlowStyle
	closing := byte(']')
	if text[at] == '{' {
		n.Kind, closing = yamlv3.MappingNode, '}'
	}
	at = blanks(text, at+1)
	for at < len(text) && text[at] != closing {
		if at = q.item(n, text, at, column); q.bad {
			return n, at
		}
		if at >= len(text) || text[at] == closing {
			break
		}
		comma := text[at] == ','
		at = blanks(text, at+1)
		if !comma || at < len(text) && text[at] == closing {
			return q.fail(), at
		}
	}
	if at >= len(text) {
		return q.fail(), at
	}
	return n, at + 1
}

// item reads an element of a flow list, or a key with its value of a flow mapping, and returns where what follows begins.
func (q *quick) item(n *yamlv3.Node, text []byte, at, column int) int {
	item, at := q.inline(text, at, column, true)
	if q.bad {
		return at
	}
	n.Content = append(n.Content, item)
	at = blanks(text, at)
	colon := at < len(text) && text[at] == ':'
	if colon != (n.Kind == yamlv3.MappingNode) {
		q.bad = true
	}
	if q.bad || !colon {
		return at
	}
	if item.Kind != yamlv3.ScalarNode || at+1 >= len(text) || text[at+1] != ' ' || text[at-1] == ' ' {
		q.bad = true
		return at
	}
	item, at = q.inline(text, blanks(text, at+1), column, true)
	n.Content = append(n.Content, item)
	return blanks(text, at)
}

func blanks(text []byte, at int) int {
	for at < len(text) && text[at] == ' ' {
		at++
	}
	return at
}

// literal reads a block of text that keeps its lines.
func (q *quick) literal(rest []byte, column, in int) *yamlv3.Node {
	n := q.node(yamlv3.ScalarNode, column)
	n.Style = yamlv3.LiteralStyle
	chomp := string(rest[1:])
	if chomp != "" && chomp != "-" && chomp != "+" {
		return q.fail()
	}
	q.next()
	first := q.at
	depth := q.literalDepth(in)
	if depth == 0 {
		return q.fail()
	}
	var b strings.Builder
	for _, line := range q.lines[first:q.at] {
		b.Write(line[min(depth, len(line)):])
		b.WriteByte('\n')
	}
	n.Value = b.String()
	if q.at == len(q.lines) { // what follows the last line break is no line
		n.Value = strings.TrimSuffix(n.Value, "\n")
	}
	text := strings.TrimRight(n.Value, "\n")
	switch {
	case chomp == "" && text != n.Value:
		n.Value = text + "\n"
	case chomp != "+":
		n.Value = text
	}
	return n
}

// literalDepth goes to the end of a literal block and returns how far its lines are indented; 0 where it is not plain.
func (q *quick) literalDepth(in int) (depth int) {
	for ; q.at < len(q.lines); q.at++ {
		line := q.lines[q.at]
		at := blanks(line, 0)
		empty := at == len(line)
		if !empty && at <= in {
			break
		}
		if depth == 0 && !empty {
			depth = at
		}
		if empty && at > depth || !empty && at < depth {
			return 0
		}
	}
	return depth
}
