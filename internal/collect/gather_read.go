// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

const (
	// maxWholeBytes bounds a file that is decoded in one piece. A longer one is read item by item.
	maxWholeBytes = 16 << 20
	// maxLine bounds what is kept of one line of a text.
	maxLine = 64 << 10
	// maxEndless bounds a line that does not end: it is no text.
	maxEndless = 64 << 20
)

// An entry is one file of whatever was given.
type entry struct {
	name     string
	modified time.Time
	r        io.Reader
}

// read recognises a file and takes what it holds. It returns an error only when the file cannot be read.
func (g *gathering) read(e entry) error {
	br := bufio.NewReaderSize(e.r, headBytes)
	first, err := br.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.HasPrefix(first, []byte("\x1f\x8b")) {
		return g.readGzip(e, br)
	}
	if r := wideText(first, br); r != nil {
		br = bufio.NewReaderSize(r, headBytes)
		if first, err = br.Peek(headBytes); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	f := recognise(e.name, first)
	if f != formNothing && f != formBinary && e.modified.After(g.modified) {
		g.modified = e.modified
	}
	if read := formReaders[f]; read != nil {
		return read(g, e.name, br)
	}
	switch f {
	case formBinary:
		g.notice("%s: no text, left out", e.name)
	case formRefusal:
		g.notice("%s: kubectl had no answer: %s", e.name, shown(strings.TrimSpace(string(first))))
	}
	return nil
}

// formReaders read the forms that hold evidence.
var formReaders = map[form]func(*gathering, string, *bufio.Reader) error{
	formJSON: (*gathering).readJSON, formYAML: (*gathering).readYAML, formPaste: (*gathering).readPaste,
	formHost: (*gathering).readHost, formLog: (*gathering).readLog, formOther: (*gathering).readOther,
}

// readOther reads a text that nothing is known about: a log perhaps, if it is named after a pod.
func (g *gathering) readOther(name string, br *bufio.Reader) error {
	if name == "" || g.logSize > logBudget {
		return nil
	}
	kept, err := g.tails(name, br)
	for i := range kept {
		kept[i].doubtful = true
		g.logSize += len(kept[i].text)
	}
	g.logs = append(g.logs, kept...)
	return err
}

// readGzip reads a single compressed file, as rotated logs are.
func (g *gathering) readGzip(e entry, br *bufio.Reader) error {
	gz, err := gzip.NewReader(br)
	if err != nil {
		g.notice("%s: %v", e.name, err)
		return nil
	}
	inner := bufio.NewReaderSize(gz, 512)
	first, err := inner.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		g.notice("%s: %v", e.name, err)
		return nil
	}
	if bytes.HasPrefix(first, []byte("\x1f\x8b")) || len(first) == 512 && bytes.HasPrefix(first[257:], []byte("ustar")) {
		g.notice("%s: an archive inside what was given; unpack it", e.name)
		return nil
	}
	return g.read(entry{strings.TrimSuffix(e.name, ".gz"), e.modified, inner})
}

// wideText returns a reader of UTF-8 for a text of UTF-16, which is what PowerShell writes; nil for any other.
func wideText(first []byte, r io.Reader) io.Reader {
	little, big := bytes.HasPrefix(first, []byte("\xff\xfe")), bytes.HasPrefix(first, []byte("\xfe\xff"))
	if !little && !big {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(r, 2*maxWholeBytes))
	if err != nil {
		return nil
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 2; i+1 < len(data); i += 2 {
		if little {
			units = append(units, uint16(data[i])|uint16(data[i+1])<<8)
		} else {
			units = append(units, uint16(data[i])<<8|uint16(data[i+1]))
		}
	}
	return strings.NewReader(string(utf16.Decode(units)))
}

// lines calls do for each line, up to what is read of one.
func lines(br *bufio.Reader, do func(line string)) error {
	var line []byte
	length := 0
	for {
		chunk, err := br.ReadSlice('\n')
		if len(line)+len(chunk) <= maxLine {
			line = append(line, chunk...)
		}
		if length += len(chunk); length > maxEndless {
			return fmt.Errorf("a line of more than %d bytes, which no text has", maxEndless)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		length = 0
		if len(line) > 0 {
			do(printable(string(line)))
		}
		line = line[:0]
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// printable replaces what is no character, and characters that control terminals and that YAML cannot hold.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' || r == '\uFEFF' || r >= 0xFFFE && r <= 0xFFFF {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func (g *gathering) readPaste(name string, br *bufio.Reader) error {
	t := &paste{}
	err := lines(br, t.add)
	p := t.end()
	if t.used {
		g.bound++
	}
	if t.alien > mostNotices {
		p.notices = append(p.notices, notice{0, fmt.Sprintf("%d more lines were not understood", t.alien-mostNotices)})
	}
	g.take(name, p)
	return err
}

// readJSON reads one value after the other. A file that is too large for that is read item by item.
func (g *gathering) readJSON(name string, br *bufio.Reader) error {
	data, err := io.ReadAll(io.LimitReader(br, maxWholeBytes+1))
	if err != nil {
		return err
	}
	d := document{name: name}
	if len(data) > maxWholeBytes {
		return g.streamJSON(d, io.MultiReader(bytes.NewReader(data), br))
	}
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	for {
		var value json.RawMessage
		err := dec.Decode(&value)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			line := 1 + bytes.Count(data[:min(int(dec.InputOffset()), len(data))], []byte("\n"))
			g.notice("%s line %d: %v", name, line, err)
			return nil
		}
		g.told(d, g.value(d, value))
	}
}

// told notes what is wrong with a document.
func (g *gathering) told(d document, err error) {
	switch {
	case err == nil:
	case d.line > 0:
		g.notice("%s line %d: %v", d.name, d.line, err)
	default:
		g.notice("%s: %v", d.name, err)
	}
}

// streamJSON reads the items of a long list, or the values of a long stream, one at a time.
func (g *gathering) streamJSON(d document, r io.Reader) error {
	capped := &cappedReader{r: r, left: maxWholeBytes}
	dec := json.NewDecoder(capped)
	switch err := g.streamValues(d, dec, capped); {
	case errors.Is(err, errStream):
		g.notice("%s: one value of more than %d bytes; the rest is left out", d.name, maxWholeBytes)
	case !errors.Is(err, io.EOF):
		g.notice("%s: %v; the rest is left out", d.name, err)
	}
	return nil
}

// streamValues goes over the tokens of a long file until it ends, which is an error too.
func (g *gathering) streamValues(d document, dec *json.Decoder, capped *cappedReader) error {
	for depth := 0; ; {
		capped.left = maxWholeBytes
		token, err := dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('['):
			if err := g.streamItems(d, dec, capped); err != nil {
				return err
			}
		case json.Delim('{'):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			if key, ok := token.(string); ok && key == "kind" {
				kind, err := dec.Token()
				if err != nil {
					return err
				}
				if text, ok := kind.(string); ok {
					d.hint = strings.TrimSuffix(text, "List")
				}
			}
		}
	}
}

// streamItems reads the values of a list that was just entered.
func (g *gathering) streamItems(d document, dec *json.Decoder, capped *cappedReader) error {
	for dec.More() {
		capped.left = maxWholeBytes
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		g.told(d, g.value(d, value))
	}
	_, err := dec.Token()
	return err
}

// A yamlReader parts YAML into documents, and lists into their items, so that no more than one is in memory.
type yamlReader struct {
	g     *gathering
	d     document
	buf   bytes.Buffer
	line  int  // the number of the last line
	items bool // within a list of items at the left margin
	lost  bool // the document is too large
}

func (g *gathering) readYAML(name string, br *bufio.Reader) error {
	y := &yamlReader{g: g, d: document{name: name, line: 1}}
	err := lines(br, y.add)
	y.end(y.line + 1)
	return err
}

func (y *yamlReader) add(line string) {
	y.line++
	text := strings.TrimRight(line, "\r\n")
	switch {
	case strings.HasPrefix(text, "---"):
		y.end(y.line + 1)
		y.items, y.d.hint = false, ""
		return
	case text == "...":
		return
	case text == "items:" || text == "items: ":
		if kind := yamlKind(y.buf.Bytes()); kind != "" {
			y.d.hint = strings.TrimSuffix(kind, "List")
		}
		y.buf.Reset()
		y.items = true
		return
	case y.items && strings.HasPrefix(text, "- "):
		y.end(y.line)
		line = " " + line[1:]
	case y.items && text != "" && text[0] != ' ' && text[0] != '#':
		y.end(y.line)
		y.items = false
	}
	if y.buf.Len()+len(line) > maxDocumentBytes {
		y.lost = true
		return
	}
	y.buf.WriteString(line)
}

// end hands on what was gathered. The rest of a list, after its items, holds nothing.
func (y *yamlReader) end(next int) {
	data := bytes.TrimRight(y.buf.Bytes(), "\n")
	switch {
	case y.lost:
		y.g.told(y.d, fmt.Errorf("more than the %d bytes that are read of one document", maxDocumentBytes))
	case y.items || !restOfList(data):
		y.g.told(y.d, y.g.yamlDocument(y.d, dedent(data)))
	}
	y.buf.Reset()
	y.lost = false
	y.d.line = next
}

// restOfList tells whether a document is what kubectl prints around the items of a list.
func restOfList(data []byte) bool {
	for line := range bytes.Lines(data) {
		if line[0] != ' ' && !bytes.HasPrefix(line, []byte("kind: ")) && !bytes.HasPrefix(line, []byte("metadata:")) &&
			!bytes.HasPrefix(line, []byte("apiVersion: ")) {
			return false
		}
	}
	kind := yamlKind(data)
	return kind == "" || strings.HasSuffix(kind, "List")
}

// dedent moves an item of a list to the left margin, where its kind is found without decoding.
func dedent(data []byte) []byte {
	if !bytes.HasPrefix(data, []byte("  ")) {
		return data
	}
	var out bytes.Buffer
	for line := range bytes.Lines(data) {
		out.Write(bytes.TrimPrefix(line, []byte("  ")))
	}
	return out.Bytes()
}

func baseName(name string) string {
	base := path.Base(name)
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		base = base[:i]
	}
	return base
}
