// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestDecodeYAMLPod(t *testing.T) {
	const asYAML = "metadata:\n  name: web\n  annotations:\n    note: |\n      if a &x and *x\nspec:\n  containers:\n  - name: app\n    args: [\"&y\", \"*y\"]\n"
	const asJSON = `{"metadata":{"name":"web","annotations":{"note":"if a &x and *x\n"}},"spec":{"containers":[{"name":"app","args":["&y","*y"]}]}}`
	want := corev1.Pod{}
	want.Name = "web"
	want.Annotations = map[string]string{"note": "if a &x and *x\n"}
	want.Spec.Containers = []corev1.Container{{Name: "app", Args: []string{"&y", "*y"}}}
	for _, doc := range []string{asYAML, asJSON, "---\n" + asYAML + "---\nsecond: document\n"} {
		var got corev1.Pod
		if err := DecodeYAML([]byte(doc), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n(-want +got):\n%s", doc, diff)
		}
	}
}

func TestDecodeYAMLKeepsWholeNumbers(t *testing.T) {
	var got any
	if err := DecodeYAML([]byte("a: 9007199254740993\nb: 1.5\n"), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": int64(9007199254740993), "b": 1.5}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// laughs is the classic bomb: nine lists of nine, each of the one before.
func laughs() string {
	var b strings.Builder
	b.WriteString("a: &a [lol]\n")
	for c := 'b'; c <= 'j'; c++ {
		fmt.Fprintf(&b, "%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9))
	}
	return b.String()
}

func TestDecodeYAMLRefuses(t *testing.T) {
	alias := "write the value out"
	tests := []struct{ name, doc, want string }{
		{"laughs", laughs(), alias},
		{"few aliases of much text", "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 900) + "]\n", alias},
		{"merge", "a: &a {x: y}\nb:\n  <<: *a\n", "line 3: YAML alias"},
		{"key", "a: &a b\n*a : c\n", alias},
		{"itself", "a: &a\n  b: *a\n", alias},
		{"unknown", "a: *b\n", "unknown anchor"},
		{"flow depth", strings.Repeat("[", 100_000), "exceeded max depth"},
		{"closed flow depth", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "more than 100 levels deep"},
		{"JSON depth", strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000), "more than 100 levels deep"},
		{"block depth", strings.Repeat("- ", 100_000), "exceeded max depth"},
		{"key depth", strings.Repeat("? ", 100_000), "exceeded max depth"},
		{"101 levels", strings.Repeat("[", 101) + strings.Repeat("]", 101), "more than 100 levels deep"},
		{"large", strings.Repeat("#", maxDocumentBytes+1), "document of 4194305 bytes"},
		{"many", "[" + strings.Repeat("a,", maxDocumentMarks) + "]", "document of about 250001 values"},
		{"invalid UTF-8", "a: \xff\n", "invalid"},
		{"control", "a: \x1b[2J\n", "control characters are not allowed"},
		{"tab", "a:\n\tb: c\n", "cannot start any token"},
		{"type", "metadata: []\n", "cannot unmarshal array"},
		{"key type", "? [a]\n: b\n", "key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			grown := allocated(func() {
				var pod corev1.Pod
				err := DecodeYAML([]byte(tt.doc), &pod)
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
					t.Errorf("error %v; want one line with %q", err, tt.want)
				}
			})
			if grown > maxTotalBytes {
				t.Errorf("allocated %d MiB", grown>>20)
			}
		})
	}
}

// The densest documents that are let through stay within 200 MiB of garbage, which is less in use at any time.
func TestDecodeYAMLBoundedMemory(t *testing.T) {
	for _, one := range []string{"a,", "[],", "2001-01-01,"} {
		var got any
		doc := "[" + strings.Repeat(one, (maxDocumentMarks-1)/countMarks([]byte(one))) + "]"
		grown := allocated(func() {
			if err := DecodeYAML([]byte(doc), &got); err != nil {
				t.Errorf("%s: %v", one, err)
			}
		})
		if grown > 200<<20 {
			t.Errorf("%s: allocated %d MiB", one, grown>>20)
		}
	}
}

func FuzzDecodeYAML(f *testing.F) {
	for _, doc := range []string{
		"a: 1\n", "kind: Pod\nmetadata: {name: x}\n", laughs(), "a: &a b\nc: *a\n", "- |\n  &x *x\n", `{"a":[1,2.5,null,"\u00e9"]}`,
		"? [a]\n: b\n", "%YAML 1.1\n---\na: !!binary aGk=\n", "<<: {a: b}\n", "a: >-\n  b\n\n  c\n", "\xef\xbb\xbfa: b\n", "0x1F: 1e9\n",
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var pod corev1.Pod
		var whatever any
		for _, err := range []error{DecodeYAML(doc, &pod), DecodeYAML(doc, &whatever)} {
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q is not one line", err)
			}
		}
	})
}
