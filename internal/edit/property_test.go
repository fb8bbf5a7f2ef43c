// SPDX-License-Identifier: Apache-2.0

package edit_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/edit"
)

// A field is a value of a generated source: how to point at it, and the lines that it takes with its key.
type field struct {
	pointer   string
	from, to  int
	container string // "map", "list" or "": what it is
	in        string // what it stands in
	siblings  int
	first     bool // it begins in the line of a dash
	flow      bool // it stands in a line with others
}

// A source is a file as people write them: it is made a line at a time, with comments and blank lines anywhere.
type source struct {
	t      *rapid.T
	lines  []string
	fields []field
	step   int
	list   int
}

func (s *source) pick(of ...string) string { return rapid.SampledFrom(of).Draw(s.t, "pick") }
func (s *source) chance(n int) bool        { return rapid.IntRange(1, n).Draw(s.t, "chance") == 1 }

// noise adds lines that mean nothing.
func (s *source) noise(column int) {
	for s.chance(4) {
		s.lines = append(s.lines, s.pick("", strings.Repeat(" ", column)+"# a note: of \"somebody\"", "# - at the left", strings.Repeat(" ", column+1)+"#\ttabs"))
	}
}

// mapping writes a mapping; prefix is what its first line begins with.
func (s *source) mapping(at string, column, depth int, prefix string) {
	n := rapid.IntRange(1, 4).Draw(s.t, "entries")
	keys := rapid.Permutation([]string{"name", "image", "a.b/c", "on", "1", "spec"}).Draw(s.t, "keys")[:n]
	for i, key := range keys {
		lead := strings.Repeat(" ", column)
		if i == 0 && prefix != "" {
			lead = prefix
		} else {
			s.noise(column)
		}
		shown := key
		if key == "on" || key == "1" || s.chance(5) {
			shown = s.pick(`"`+key+`"`, `'`+key+`'`)
		}
		f := field{pointer: at + "/" + strings.ReplaceAll(key, "/", "~1"), from: len(s.lines), in: "map", siblings: n - 1, first: i == 0 && prefix != ""}
		at := len(s.fields)
		s.fields = append(s.fields, f)
		s.fields[at].container = s.value(f.pointer, lead+shown+":", column, depth)
		s.fields[at].to = len(s.lines)
	}
}

func (s *source) sequence(at string, column, depth int) {
	n := rapid.IntRange(1, 4).Draw(s.t, "elements")
	for i := range n {
		s.noise(column)
		f := field{pointer: fmt.Sprintf("%s/%d", at, i), from: len(s.lines), in: "list", siblings: n - 1}
		at := len(s.fields)
		s.fields = append(s.fields, f)
		dash := strings.Repeat(" ", column) + s.pick("-", "-", "-  ")
		if depth > 0 && s.chance(2) {
			s.mapping(f.pointer, len(dash)+1, depth-1, dash+" ")
			s.fields[at].container = "map"
		} else {
			s.value(f.pointer, dash, column, 0)
		}
		s.fields[at].to = len(s.lines)
	}
}

// value writes what comes after a key or a dash, and returns what kind of container it is.
func (s *source) value(at, lead string, column, depth int) string {
	comment := s.pick("", "", "", " # why", "  # \"so\": it is")
	switch kind := rapid.IntRange(0, 9).Draw(s.t, "kind"); {
	case depth > 0 && kind < 3:
		s.lines = append(s.lines, lead+s.pick("", " &anchor"+fmt.Sprint(len(s.lines)))+comment)
		s.mapping(at, column+s.step, depth-1, "")
		return "map"
	case depth > 0 && kind < 5:
		s.lines = append(s.lines, lead+comment)
		s.sequence(at, column+s.list, depth-1)
		return "list"
	case kind == 5:
		s.lines = append(s.lines, lead+" "+s.pick("|", "|-", ">", ">-")+comment)
		for _, line := range []string{"text: of", "  several # lines", "", "- here"} {
			s.lines = append(s.lines, strings.TrimRight(strings.Repeat(" ", column+s.step)+line, " "))
		}
	case kind == 6:
		s.fields = append(s.fields, field{pointer: at + "/x", from: len(s.lines), to: len(s.lines) + 1, in: "map", siblings: 1, flow: true})
		s.lines = append(s.lines, lead+" {x: 'a, b', \"y\": [1, {z: }]}"+comment)
		return "flow"
	default:
		s.lines = append(s.lines, lead+s.pick("", " null", " 12", " 0.5", " true", " 64Mi", " \"8080\"", " 'it''s'", ` "a\tb \" # c"`, " a b  c", " {}", " []", " http://x:1/?a=b#c", " ü€", " -x")+comment)
	}
	return ""
}

// operation draws one change of a field and tells which lines it may touch.
func (s *source) operation() (string, []int) {
	f := rapid.SampledFrom(s.fields).Draw(s.t, "field")
	lines := make([]int, 0, f.to-f.from)
	for i := f.from; i < f.to; i++ {
		lines = append(lines, i)
	}
	news := []string{`"text"`, `"on"`, `"a: b"`, `"two\nlines\n"`, "7", "null", "{}", "[]", `{"name":"x","k":[1,{"a":"b"}]}`, `[{"name":"x"},"y"]`, `"\u0085\ufeff"`, `"  x"`}
	text := rapid.SampledFrom(news).Draw(s.t, "new")
	switch op := rapid.IntRange(0, 3).Draw(s.t, "op"); {
	case op == 0 && f.container == "map":
		return fmt.Sprintf(`{"op":"add","path":"%s/added","value":%s}`, f.pointer, text), nil
	case op == 0 && f.container == "list":
		return fmt.Sprintf(`{"op":"add","path":"%s/%s","value":%s}`, f.pointer, s.pick("0", "-"), text), nil
	case op == 1 && f.siblings > 0:
		for next := f.to; f.first; next++ { // what follows moves up to the dash, over blank lines
			lines = append(lines, next)
			if strings.TrimSpace(s.lines[next]) != "" {
				break
			}
		}
		return fmt.Sprintf(`{"op":"remove","path":"%s"}`, f.pointer), lines
	}
	return fmt.Sprintf(`{"op":"replace","path":"%s","value":%s}`, f.pointer, text), lines
}

// TestProperty: whatever is done to whatever source, the outcome is what the patch makes of it, and each line of which nothing changes
// stays, in order and byte for byte. Nothing is refused.
func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &source{t: t, step: rapid.IntRange(2, 4).Draw(t, "step"), list: rapid.SampledFrom([]int{0, 2}).Draw(t, "list")}
		s.noise(0)
		s.mapping("", 0, 3, "")
		operation, touched := s.operation()
		eol := s.pick("\n", "\r\n")
		src := strings.Join(s.lines, eol)
		if strings.ContainsAny(src, "|>") || s.chance(2) { // a literal text whose last break is missing has none, and would get one
			src += eol
		}
		out, err := edit.Patch("f.yaml", []byte(src), edit.Object{}, edit.JSON, "["+operation+"]")
		if err != nil {
			t.Fatalf("%s\n%s\n%v", src, operation, err)
		}
		if want, got := expected(t, src, operation), canonical(t, string(out)); got != want {
			t.Fatalf("%s\n%s\nbecomes\n%s\nwhich is\n%s\nand not\n%s", src, operation, out, got, want)
		}
		if twins(t, src, operation) {
			return // which of them goes, nobody can tell
		}
		kept := strings.Split(string(out), eol)
		for i, line := range s.lines {
			if slices.Contains(touched, i) {
				continue
			}
			j := slices.Index(kept, line)
			if j < 0 {
				t.Fatalf("%s\n%s\nbecomes\n%s\nwithout line %d", src, operation, out, i+1)
			}
			kept = kept[j+1:]
		}
	})
}

// twins tells whether an operation points at an element of a list that has an equal.
func twins(t *rapid.T, src, operation string) bool {
	var o struct{ Path string }
	var at any
	if err := json.Unmarshal([]byte(operation), &o); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(src), &at); err != nil {
		t.Fatal(err)
	}
	found := false
	for key := range strings.SplitSeq(o.Path[1:], "/") {
		list, ok := at.([]any)
		i, err := strconv.Atoi(key)
		if !ok || err != nil || i >= len(list) {
			m, _ := at.(map[string]any)
			at = m[strings.ReplaceAll(key, "~1", "/")]
			continue
		}
		at = list[i]
		for j, other := range list {
			found = found || j != i && reflect.DeepEqual(at, other)
		}
	}
	return found
}

func expected(t *rapid.T, src, operation string) string {
	data, err := yaml.YAMLToJSON([]byte(src))
	if err != nil {
		t.Fatalf("%s\n%v", src, err)
	}
	patch, err := jsonpatch.DecodePatch([]byte("[" + operation + "]"))
	if err == nil {
		data, err = patch.Apply(data)
	}
	if err != nil {
		t.Fatalf("%s\n%s\n%v", src, operation, err)
	}
	return canonical(t, string(data))
}

func canonical(t *rapid.T, src string) string {
	var value any
	if err := yaml.Unmarshal([]byte(src), &value); err != nil {
		t.Fatalf("%s\n%v", src, err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
