// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
)

// values generates what a field of an object may hold: JSON of a small depth, with lists of named things in it.
func values(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := 3
		if depth > 0 {
			kinds = 6
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return rapid.SampledFrom([]string{"", "a", "b", "~/x"}).Draw(t, "text")
		case 1:
			return float64(rapid.IntRange(0, 2).Draw(t, "number"))
		case 2:
			return rapid.Bool().Draw(t, "switch")
		case 3:
			list := []any{}
			for range rapid.IntRange(0, 3).Draw(t, "length") {
				list = append(list, values(depth-1).Draw(t, "element"))
			}
			return list
		case 4:
			list := []any{}
			for range rapid.IntRange(0, 3).Draw(t, "length") {
				list = append(list, map[string]any{"name": rapid.SampledFrom([]string{"app", "web"}).Draw(t, "name"), "is": values(depth-1).Draw(t, "is")})
			}
			return list
		}
		fields := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			fields[rapid.SampledFrom([]string{"a", "b", "c/d", "e~f"}).Draw(t, "key")] = values(depth-1).Draw(t, "value")
		}
		return fields
	})
}

// TestUndoRestores: for whatever two states of an object, the undo makes the first out of the second, and out of no other state
// in which something that it would take back is different.
func TestUndoRestores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was := &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment", "spec": values(3).Draw(t, "was")}}
		now := &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment", "spec": values(3).Draw(t, "now")}}
		data, err := json.Marshal(undo(was, now).Patch)
		if err != nil {
			t.Fatal(err)
		}
		patch, err := jsonpatch.DecodePatch(data)
		if err != nil {
			t.Fatal(err)
		}
		before, err := json.Marshal(now.Object)
		if err != nil {
			t.Fatal(err)
		}
		after, err := patch.Apply(before)
		if err != nil {
			t.Fatalf("%v: %s\nof %s", err, data, before)
		}
		var got map[string]any
		if err := json.Unmarshal(after, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(was.Object, got); diff != "" {
			t.Fatalf("%s\nby %s", diff, data)
		}
	})
}

func TestUndoOfAnother(t *testing.T) {
	state := func(limit string, name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment", "spec": map[string]any{"containers": []any{map[string]any{"name": name, "limit": limit}}}}}
	}
	data, err := json.Marshal(undo(state("64Mi", "app"), state("128Mi", "app")).Patch)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []*unstructured.Unstructured{state("256Mi", "app"), state("128Mi", "web")} {
		before, err := json.Marshal(other.Object)
		if err != nil {
			t.Fatal(err)
		}
		if after, err := patch.Apply(before); err == nil {
			t.Errorf("the undo %s made %s of %s, which is not what the fix has left", data, after, before)
		}
	}
}

func TestUndoOfAClaim(t *testing.T) {
	claim := func(size string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"kind": "PersistentVolumeClaim", "spec": map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": size}}}}}
	}
	if u := undo(claim("1Gi"), claim("2Gi")); u.Never == "" || len(u.Patch) > 0 {
		t.Errorf("a claim that has grown is made smaller again: %+v", u)
	}
}

// TestSetSince: what was taken away and set again by somebody is not put back over.
func TestSetSince(t *testing.T) {
	object := map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "command": []any{"sh"}, "a/b": true}}}}
	for path, want := range map[string]bool{
		"/spec/containers/0/command": true, "/spec/containers/0/a~1b": true, "/spec/containers/0/livenessProbe": false,
		"/spec/containers/0": false, "/spec/containers/1/command": false, "/spec/containers/-1/command": false, "/status/x": false,
	} {
		if got := setSince(object, []Op{{"test", path, 1}, {"add", path, 1}}); (got != "") != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}
