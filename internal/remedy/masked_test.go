// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"slices"
	"strings"
	"testing"
)

// TestHidden: a change that looks the same when it is masked is told, and one that a line shows is not.
func TestHidden(t *testing.T) {
	env := func(values ...string) any {
		var list []any
		for _, v := range values {
			name, value, _ := strings.Cut(v, "=")
			list = append(list, map[string]any{"name": name, "value": value})
		}
		return map[string]any{"env": list}
	}
	args := func(values ...any) any { return map[string]any{"args": values} }
	for name, test := range map[string]struct {
		was, would any
		want       []string
	}{
		"nothing":         {env("A=secret-1"), env("A=secret-1"), nil},
		"a secret":        {env("A=secret-1"), env("A=secret-2"), []string{"/env/0/value"}},
		"what is shown":   {env("A=secret-1", "B=1"), env("A=secret-1", "B=2"), nil},
		"one is added":    {env("A=secret-1"), env("A=secret-1", "B=secret-2"), nil},
		"one is before":   {env("A=secret-1"), env("B=1", "A=secret-2"), []string{"/env/0/value"}},
		"another type":    {map[string]any{"a": "secret-1"}, map[string]any{"a": []any{"secret-1"}}, nil},
		"by its place":    {args("-v", "secret-1"), args("-v", "secret-2"), []string{"/args/1"}},
		"no secret in it": {args("-v", "1"), args("-v", "2"), nil},
	} {
		if got := hidden("", test.was, test.would, veil(test.was), veil(test.would)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// veil masks what is called a secret.
func veil(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, child := range v {
			out[name] = veil(child)
		}
		return out
	case []any:
		var out []any
		for _, child := range v {
			out = append(out, veil(child))
		}
		return out
	case string:
		if strings.HasPrefix(v, "secret") {
			return mask
		}
	}
	return value
}
