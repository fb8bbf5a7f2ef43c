// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// A fieldPath leads to a field that a patch touches.
type fieldPath []step

// A step goes to a field of a map or, where item is set, to the element of a list that looks like it.
type step struct {
	field string
	item  map[string]any
}

// touches returns the fields that a patch touches, and none of a patch that cannot be read: that says the API server.
func touches(live *unstructured.Unstructured, patch *diagnosis.Patch) []fieldPath {
	if patch.Type == diagnosis.JSONPatch {
		return pointed(live, patch.Data)
	}
	var data map[string]any
	if json.Unmarshal([]byte(patch.Data), &data) != nil {
		return nil
	}
	return leaves(data, nil)
}

// leaves returns the paths to what a strategic patch sets; directives, as $patch, are no fields.
func leaves(value any, at fieldPath) []fieldPath {
	at = slices.Clip(at)
	var all []fieldPath
	switch v := value.(type) {
	case map[string]any:
		for field, child := range v {
			if !strings.HasPrefix(field, "$") {
				all = append(all, leaves(child, append(at, step{field: field}))...)
			}
		}
	case []any:
		for _, child := range v {
			if item, ok := child.(map[string]any); ok {
				all = append(all, leaves(child, append(at, step{item: item}))...)
			}
		}
	}
	if len(all) == 0 {
		return []fieldPath{at}
	}
	return all
}

// pointed returns the fields that the operations of a JSON patch point at (RFC 6902); elements are told by what they are now.
func pointed(live *unstructured.Unstructured, data string) []fieldPath {
	var operations []struct{ Op, Path, From string }
	if json.Unmarshal([]byte(data), &operations) != nil {
		return nil
	}
	var all []fieldPath
	for _, o := range operations {
		if o.Op != "test" {
			all = append(all, follow(live.Object, o.Path))
		}
		if o.Op == "move" {
			all = append(all, follow(live.Object, o.From))
		}
	}
	return all
}

// follow follows a JSON pointer (RFC 6901) through a value.
func follow(value any, text string) fieldPath {
	var at fieldPath
	for token := range strings.SplitSeq(strings.TrimPrefix(text, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		list, ok := value.([]any)
		if !ok {
			fields, _ := value.(map[string]any)
			value = fields[token]
			at = append(at, step{field: token})
			continue
		}
		i, err := strconv.Atoi(token)
		if err != nil || i < 0 || i >= len(list) {
			return at // an element that is added: the list
		}
		value = list[i]
		item, ok := value.(map[string]any)
		if !ok {
			return at // a list of scalars has one owner or one for each value: the list
		}
		at = append(at, step{item: item})
	}
	return at
}

// sets tells whether a manager set one of the fields.
func sets(m *metav1.ManagedFieldsEntry, touched []fieldPath) bool {
	if m.FieldsV1 == nil {
		return false
	}
	var fields map[string]any
	if json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil {
		return false
	}
	for _, p := range touched {
		if p.in(fields) {
			return true
		}
	}
	return false
}

// in tells whether a set of fields, in the form FieldsV1 (structured-merge-diff, fieldpath/serialize.go), has what the path leads to: the
// field itself, something in it, or a list or map around it that has one owner as a whole.
func (p fieldPath) in(fields map[string]any) bool {
	for _, s := range p {
		if len(fields) == 0 {
			return true
		}
		next, ok := s.of(fields)
		if !ok {
			return false
		}
		fields = next
	}
	return true
}

func (s step) of(fields map[string]any) (map[string]any, bool) {
	if s.item == nil {
		next, ok := fields["f:"+s.field].(map[string]any)
		return next, ok
	}
	for name, child := range fields {
		var key map[string]any
		if text, ok := strings.CutPrefix(name, "k:"); !ok || json.Unmarshal([]byte(text), &key) != nil {
			continue
		}
		if next, ok := child.(map[string]any); ok && s.is(key) {
			return next, true
		}
	}
	return nil, false
}

// is tells whether the element has the key of a list; parts of the key that a patch leaves out, as the protocol of a port, may be any.
func (s step) is(key map[string]any) bool {
	same := false
	for field, value := range key {
		mine, ok := s.item[field]
		if ok && !equal(mine, value) {
			return false
		}
		same = same || ok
	}
	return same
}

// equal compares what stands in a key: strings, and numbers, which are int64 in an object and float64 in a patch.
func equal(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}
