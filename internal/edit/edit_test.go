// SPDX-License-Identifier: Apache-2.0

package edit_test

import (
	"encoding/json"
	"errors"
	"maps"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/edit"
)

// a request is a patch as the cases have it: how, of which object, and what.
type request struct {
	kind   string
	object edit.Object
	patch  string
}

func parse(t *testing.T, text string) request {
	t.Helper()
	head, patch, ok := strings.Cut(text, "\n")
	f := strings.Fields(head)
	if !ok || len(f) != 1 && len(f) != 5 {
		t.Fatalf("%q is no patch", text)
	}
	r := request{kind: f[0], patch: strings.TrimSpace(patch)}
	if len(f) == 5 {
		r.object = edit.Object{APIVersion: f[1], Kind: f[2], Namespace: f[3], Name: f[4]}
	}
	return r
}

// TestPatch runs the cases of testdata.
func TestPatch(t *testing.T) {
	for _, name := range []string{"block", "flow", "refuse"} {
		archive, err := txtar.ParseFile("testdata/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		cases := map[string]map[string]string{}
		for _, f := range archive.Files {
			of := path.Dir(f.Name)
			if cases[of] == nil {
				cases[of] = map[string]string{}
			}
			cases[of][path.Base(f.Name)] = string(f.Data)
		}
		for of, files := range cases {
			t.Run(name+"/"+of, func(t *testing.T) { try(t, files) })
		}
	}
}

func try(t *testing.T, files map[string]string) {
	r := parse(t, files["patch"])
	// Each case also as other systems write files: what is beside the change stays as it was there too.
	for how, as := range map[string]*strings.Replacer{
		"as it is": strings.NewReplacer(), "CRLF": strings.NewReplacer("\n", "\r\n"), "no last break": nil,
	} {
		in, want := files["in.yaml"], files["out.yaml"]
		if as == nil {
			in, want = strings.TrimSuffix(in, "\n"), strings.TrimSuffix(want, "\n")
		} else {
			in, want = as.Replace(in), as.Replace(want)
		}
		if how == "CRLF" {
			in, want = "\uFEFF"+in, "\uFEFF"+want
		}
		out, err := edit.Patch("in.yaml", []byte(in), r.object, r.kind, r.patch)
		if wrong := strings.TrimSpace(files["error"]); wrong != "" {
			if err == nil || err.Error() != wrong {
				t.Errorf("%s: the error is\n%v\nwant\n%s", how, err, wrong)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if diff := cmp.Diff(want, string(out)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how, diff)
		}
		again, err := edit.Patch("in.yaml", out, r.object, r.kind, r.patch)
		if r.kind != edit.JSON && (err != nil || string(again) != string(out)) {
			t.Errorf("%s: the patch changes its own outcome: %v\n%s", how, err, again)
		}
	}
}

// TestLine: the line of an object is named for a person who looks.
func TestLine(t *testing.T) {
	src := "# one\na: 1\n---\n# two\n\nkind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\n"
	o := edit.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "prod", Name: "web"}
	if line, err := edit.Line("f", []byte(src), o); err != nil || line != 6 {
		t.Errorf("the object is at line %d, %v; want 6", line, err)
	}
	o.Name = "other"
	if _, err := edit.Line("f", []byte(src), o); !errors.Is(err, edit.ErrAbsent) {
		t.Errorf("an object that is not there: %v", err)
	}
}

// TestHostile: what is no manifest is an error and nothing else.
func TestHostile(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 9) + "]\n"
	}
	for name, src := range map[string]string{
		"UTF-16": "\xff\xfea\x00", "binary": "\x00\x01", "a bomb": bomb, "deep": strings.Repeat("[", 20000), "tabs": "a:\n\tb: 1\n", "a scalar": "text",
		"a list": "- a\n", "huge": strings.Repeat("#", 16<<20+1), "no key": "? [a, b]\n: 1\nx: 1\n",
	} {
		if out, err := edit.Patch("f.yaml", []byte(src), edit.Object{}, edit.Merge, `{"z":1}`); err == nil || !strings.HasPrefix(err.Error(), "f.yaml:") {
			t.Errorf("%s: %.80q, %v", name, out, err)
		}
	}
}

// FuzzPatch: whatever the source and the patch, the outcome is what the patch makes of the source, or there is none.
func FuzzPatch(f *testing.F) {
	for _, name := range []string{"block", "flow", "refuse"} {
		archive, err := txtar.ParseFile("testdata/" + name + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		var src string
		for _, file := range archive.Files {
			switch path.Base(file.Name) {
			case "in.yaml":
				src = string(file.Data)
			case "patch":
				_, patch, _ := strings.Cut(string(file.Data), "\n")
				f.Add(src, patch)
				f.Add(strings.ReplaceAll(src, "\n", "\r\n"), `{"a":{"b":["x",1,null,{"name":"y"}]},"spec":null}`)
			}
		}
	}
	f.Fuzz(func(t *testing.T, src, patch string) {
		if out, err := edit.Patch("f", []byte(src), edit.Object{}, edit.Merge, patch); err == nil {
			verify(t, src, patch, out)
		}
	})
}

// verify compares an outcome with what the patch makes of the source.
func verify(t *testing.T, src, patch string, out []byte) {
	var got, have, change any
	if err := json.Unmarshal([]byte(patch), &change); err != nil {
		t.Fatalf("%q was taken for a patch: %v", patch, err)
	}
	for into, text := range map[*any]string{&have: src, &got: string(out)} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%q cannot be read: %v", text, err)
		}
	}
	if want := merged(have, change); !cmp.Equal(got, want) {
		t.Errorf("%q and %q make %q:\n%s", src, patch, out, cmp.Diff(want, got))
	}
	if again, err := edit.Patch("f", out, edit.Object{}, edit.Merge, patch); err != nil || string(again) != string(out) {
		t.Errorf("%q becomes %q, %v when %q is applied again", out, again, err, patch)
	}
}

// merged is RFC 7386, as it is written there.
func merged(target, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if t, ok := target.(map[string]any); ok {
		maps.Copy(out, t)
	}
	for k, v := range change {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = merged(out[k], v)
		}
	}
	return out
}
