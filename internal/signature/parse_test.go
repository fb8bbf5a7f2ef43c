// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestParseFiles reads the files as YAML, too.
func TestParseFiles(t *testing.T) {
	names, err := fs.Glob(data, "data/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(data, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(string(raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(asYAML(t, raw), got); diff != "" {
			t.Errorf("%s is read otherwise than YAML is (-yaml +parse):\n%s", name, diff)
		}
	}
}

// asYAML reads signatures as any reader of YAML does. Lists are written as strings of several lines.
func asYAML(t *testing.T, raw []byte) []*Sig {
	t.Helper()
	var entries []map[string]any
	if err := yaml.UnmarshalStrict(raw, &entries); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, key := range []string{"literals", "match", "miss"} {
			s, _ := e[key].(string)
			e[key] = strings.Split(strings.TrimSuffix(s, "\n"), "\n")
		}
	}
	again, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	var sigs []*Sig
	if err := json.Unmarshal(again, &sigs); err != nil {
		t.Fatal(err)
	}
	return sigs
}

func TestParseRefuses(t *testing.T) {
	for file, want := range map[string]string{
		"id: a-b":                  "line 1",
		"- id: a-b\n  colour: red": `line 2: field "colour"`,
		"- id: a-b\n\n  match: x":  `line 3: field "match"`,
		"- id: a-b\n-":             "line 2",
	} {
		if _, err := parse(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse(%q) is %v, want %s", file, err, want)
		}
	}
}
