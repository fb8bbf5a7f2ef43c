// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// An Undo puts an object back as it was, exactly: a JSON patch (RFC 6902) that first tests that what the fix has set is
// still so, and sets nothing else.
type Undo struct {
	Patch []Op   `json:"patch,omitempty"`
	Never string `json:"never,omitempty"` // why there is none; empty where there is one
}

// An Op is one operation of a JSON patch.
type Op struct {
	Op    string `json:"op"` // "test", "add", "replace", "remove"
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// MarshalJSON leaves out the value of an operation that has none: null is a value.
func (o Op) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"op": o.Op, "path": o.Path}
	if o.Op != "remove" {
		fields["value"] = o.Value
	}
	return json.Marshal(fields)
}

// undo returns what makes of an object that is as now what it was.
func undo(was, now *unstructured.Unstructured) Undo {
	if was.GetKind() == "PersistentVolumeClaim" && grown(was, now) {
		return Undo{Never: "a claim that has grown cannot be made smaller again"}
	}
	return Undo{Patch: changes(was, now)}
}

// undoOf is undo for objects that are as they may be shown.
func undoOf(was, now evidence.Object) Undo {
	a, err := runtime.DefaultUnstructuredConverter.ToUnstructured(was)
	if err != nil {
		return Undo{} // cannot happen: it was read
	}
	b, err := runtime.DefaultUnstructuredConverter.ToUnstructured(now)
	if err != nil {
		return Undo{} // cannot happen
	}
	return undo(&unstructured.Unstructured{Object: a}, &unstructured.Unstructured{Object: b})
}

func grown(was, now *unstructured.Unstructured) bool {
	size := func(u *unstructured.Unstructured) string {
		s, _, _ := unstructured.NestedString(u.Object, "spec", "resources", "requests", "storage")
		return s
	}
	return size(was) != size(now)
}

// A difference is how to make one value out of another: what must hold before, and what is to be done.
type difference struct{ tests, acts []Op }

// compare adds what makes to out of from, which both are at the path.
func (d *difference) compare(path string, from, to any) {
	if reflect.DeepEqual(from, to) {
		return
	}
	switch a := from.(type) {
	case map[string]any:
		if b, ok := to.(map[string]any); ok {
			d.fields(path, a, b)
			return
		}
	case []any:
		if b, ok := to.([]any); ok && len(a) == len(b) {
			for i := range a {
				d.element(fmt.Sprintf("%s/%d", path, i), a[i], b[i])
			}
			return
		}
	}
	d.test(path, from)
	d.acts = append(d.acts, Op{"replace", path, to})
}

// element compares what is at one place of two lists. A test of its name makes sure that it is still this one.
func (d *difference) element(path string, from, to any) {
	if reflect.DeepEqual(from, to) {
		return
	}
	if fields, ok := from.(map[string]any); ok && fields["name"] != nil {
		d.test(path+"/name", fields["name"])
	}
	d.compare(path, from, to)
}

func (d *difference) fields(path string, from, to map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		at := path + "/" + pointer.Replace(name)
		if value, stays := to[name]; stays {
			d.compare(at, from[name], value)
			continue
		}
		d.test(at, from[name])
		d.acts = append(d.acts, Op{"remove", at, nil})
	}
	for _, name := range slices.Sorted(maps.Keys(to)) {
		if _, there := from[name]; !there {
			d.acts = append(d.acts, Op{"add", path + "/" + pointer.Replace(name), to[name]})
		}
	}
}

func (d *difference) test(path string, value any) {
	if !slices.ContainsFunc(d.tests, func(o Op) bool { return o.Path == path }) {
		d.tests = append(d.tests, Op{"test", path, value})
	}
}

// pointer escapes a name in a JSON pointer (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// setSince returns the path of a field that an undo would put back over another value: RFC 6902 has no test that a field is not there.
func setSince(object map[string]any, patch []Op) string {
	for _, op := range patch {
		if op.Op != "add" {
			continue
		}
		around, _ := valueAt(object, op.Path[:strings.LastIndex(op.Path, "/")])
		_, field := around.(map[string]any)
		if _, there := valueAt(object, op.Path); there && field {
			return op.Path
		}
	}
	return ""
}

// changes are what makes an object that is as now what it was, whether or not that can be done.
func changes(was, now *unstructured.Unstructured) []Op {
	var d difference
	d.compare("", settled(now).Object, settled(was).Object)
	return slices.Concat(d.tests, d.acts)
}

// strays returns a field that is not as a change has left it, whose undo is known; "": all are. Back tells that it is as it was before.
func strays(object map[string]any, undo []Op) (path string, back bool) {
	path = setSince(object, undo)
	for _, op := range undo {
		if path != "" || op.Op != "test" {
			continue
		}
		if value, there := valueAt(object, op.Path); !there || !equal(value, op.Value) {
			path = op.Path
		}
	}
	for _, op := range undo {
		value, there := valueAt(object, op.Path)
		if op.Path == path && op.Op != "test" {
			back = there == (op.Op != "remove") && (!there || equal(value, op.Value))
		}
	}
	return path, back
}

// valueAt returns what a JSON pointer (RFC 6901) leads to, and false where nothing is there.
func valueAt(object any, path string) (any, bool) {
	if path == "" {
		return object, true
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		step = unpointer.Replace(step)
		there := false
		switch here := object.(type) {
		case map[string]any:
			object, there = here[step]
		case []any:
			if n, err := strconv.Atoi(step); err == nil && n >= 0 && n < len(here) {
				object, there = here[n], true
			}
		}
		if !there {
			return nil, false
		}
	}
	return object, true
}

var unpointer = strings.NewReplacer("~1", "/", "~0", "~")
