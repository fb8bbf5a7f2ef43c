// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	yamlv3 "go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// A shape is what is compared of a node.
type shape struct {
	Kind         yamlv3.Kind
	Tag, Value   string
	Line, Column int
	Below        []shape
}

func shapeOf(n *yamlv3.Node) shape {
	s := shape{Kind: n.Kind, Value: n.Value, Line: n.Line, Column: n.Column}
	if n.Kind == yamlv3.ScalarNode {
		s.Tag = n.ShortTag()
	}
	if s.Tag == "!!null" {
		s.Line, s.Column = 0, 0 // nobody asks where nothing stands
	}
	for _, c := range n.Content {
		s.Below = append(s.Below, shapeOf(c))
	}
	return s
}

// again is what all trees of these tests are made of.
var again Scratch

// differs compares the quick parser with the whole one; "" where it leaves the document to that.
func differs(doc []byte) (diff string, quick bool) {
	root, ok := quickly(doc, &again)
	if !ok {
		return "", false
	}
	var top yamlv3.Node
	if err := yamlv3.Unmarshal(doc, &top); err != nil {
		return "the whole parser refuses it: " + err.Error(), true
	}
	if len(top.Content) == 0 {
		return "the whole parser finds nothing", true
	}
	return cmp.Diff(shapeOf(top.Content[0]), shapeOf(root)), true
}

// TestQuick: what the quick parser accepts it reads as the whole one does: all that lies around here, of which it accepts some.
func TestQuick(t *testing.T) {
	documents, quick := 0, 0
	for _, root := range []string{"../rules/set", "../rules/probe", "../rules/stopping", "../scan/testdata", "../../deploy"} {
		err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".txtar"}, filepath.Ext(path)) {
				return err
			}
			data, err := os.ReadFile(path)
			for _, doc := range documentsIn(string(data)) {
				diff, ok := differs([]byte(doc))
				if documents++; ok {
					quick++
				}
				if diff != "" {
					t.Errorf("%s (-whole +quick):\n%s", path, diff)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if quick < documents/4 {
		t.Errorf("it takes %d of %d", quick, documents)
	}
}

// documentsIn returns the documents of a text, and of each file in an archive.
func documentsIn(text string) []string {
	var all []string
	for part := range strings.SplitSeq("\n"+text, "\n-- ") {
		if _, body, ok := strings.Cut(part, " --\n"); ok {
			part = body
		}
		all = append(all, strings.Split(part, "---\n")...)
	}
	return all
}

// TestQuickAny: and whatever is written.
func TestQuickAny(t *testing.T) {
	words := []string{
		"a: b", "a:", "- a", "- a: b", "-", "a", ": b", "  ", " ", "", "a: |", "a: |-", "a: |+", "- |", "text # no", "# yes", "a: 'b''c'", `a: "b"`, `"a": b`, "'a': b", "a: {b: c, d: [e, f]}",
		"a: {}", "a: []", "- {a: b}", "[a]", "a: [a, {b: c}]", "a: b: c", "a: b #c", "a: b#c", "a: -1", "- -1", "a: - b", "a: &x b", "a: &x", "a: &x {b: c}", "a: &x |", "a: &x.y b", "a: & b", "- &x a: b", "- &x b", "a: &x &y b", "a: &x # c", "a: &x  b", "a: *x", "<<: *x", "a: ~", "a: null", "a: 0755", "a: yes", "a: 1.5", "...", "a: {b: }",
		"a: [a,]", "a: [,]", "a: {a}", "a: 'b", "a: \"b\\n\"", "a: >", "a: !!str 1", "? a", "a: http://b:80/c", "a: [http://b:80/c]", "a: {b:c}", "a: [a b, c]", "a: %b", "-a: b", "a/b: c", "a: b ", "a.b/c-d: e", "- - a", "a: [\"b\"]", "a: {\"b\": c}", "a: {'b' : c}", "a: [a]b", "a: 'b' c", "a: 'b'#c", "$a: b", "a: -",
	}
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(1, 8).Draw(t, "lines") {
			b.WriteString(strings.Repeat(" ", rapid.IntRange(0, 5).Draw(t, "indent")))
			b.WriteString(rapid.SampledFrom(words).Draw(t, "words"))
			if rapid.IntRange(0, 20).Draw(t, "end") > 0 {
				b.WriteByte('\n')
			}
		}
		if diff, _ := differs([]byte(b.String())); diff != "" {
			t.Fatalf("%q (-whole +quick):\n%s", b.String(), diff)
		}
	})
}
