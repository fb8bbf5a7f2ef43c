// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A strict decoder puts a tree of YAML into a typed object as the API server does with fieldValidation=Strict
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation): a field that there is not, one that is
// given twice and a value of the wrong type are told, and all else is read. It works on the tree, and not on JSON, because
// only the tree knows where things stand.
type strict struct {
	about evidence.Ref
	facts []evidence.Fact
	steps int // left, so that aliases of aliases do not unfold without end
}

func (d *strict) tell(name, path, format string, args ...any) {
	d.facts = append(d.facts, evidence.Fact{
		Kind: evidence.Spec, Source: evidence.FromSpec, About: d.about, Where: path, Name: name, Text: fmt.Sprintf(format, args...),
	})
}

// value decodes a node into v, which can be set.
func (d *strict) value(n *yamlv3.Node, v reflect.Value, path string) {
	if d.steps--; d.steps < 0 {
		return
	}
	n = behind(n)
	if isNull(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
		return
	}
	t := layoutOf(v.Type())
	if t.custom {
		d.custom(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if d.is(n, yamlv3.MappingNode, "a mapping", path) {
			d.fields(n, v, t, path)
		}
	case reflect.Map:
		if d.is(n, yamlv3.MappingNode, "a mapping", path) {
			d.entries(n, v, path)
		}
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Interface:
		if plain := plainValue(n, &d.steps); plain != nil {
			v.Set(reflect.ValueOf(plain))
		}
	default:
		d.scalar(n, v, path)
	}
}

// is tells whether a node is of a kind, and says so where it is not.
func (d *strict) is(n *yamlv3.Node, kind yamlv3.Kind, want, path string) bool {
	switch {
	case n.Kind == kind:
	case n.Kind == yamlv3.MappingNode && len(n.Content) > 0 && n.Content[0].Kind == yamlv3.MappingNode: // {{ … }}
		d.tell(FactUnreadable, path, "%s is a template that was not rendered", path)
	default:
		d.tell(FactWrongType, path, "%s is %s, expected %s", path, describeNode(n), want)
	}
	return n.Kind == kind
}

func describeNode(n *yamlv3.Node) string {
	switch n.Kind {
	case yamlv3.MappingNode:
		return "a mapping"
	case yamlv3.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	}
	return "a text"
}

// pairs calls each for the keys and values of a mapping, those of merged mappings (<<) after its own. What is given twice
// is told.
func (d *strict) pairs(n *yamlv3.Node, path string, each func(key string, value *yamlv3.Node, path string)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := join(path, key.Value)
		if key.ShortTag() == "!!merge" {
			continue
		}
		if givenBefore(n, i) {
			d.tell(FactTwice, at, "field %s is given twice, and the API server takes the last or refuses both", at)
		}
		each(key.Value, n.Content[i+1], at)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		merged := behind(n.Content[i+1])
		if n.Content[i].ShortTag() != "!!merge" || merged.Kind != yamlv3.MappingNode || d.steps < 0 {
			continue
		}
		d.steps--
		d.pairs(merged, path, func(key string, value *yamlv3.Node, path string) {
			if !hasKey(n, key) {
				each(key, value, path)
			}
		})
	}
}

func givenBefore(n *yamlv3.Node, i int) bool {
	for j := 0; j < i; j += 2 {
		if n.Content[j].Value == n.Content[i].Value {
			return true
		}
	}
	return false
}

func hasKey(n *yamlv3.Node, key string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// join adds a key to a path; one with a dot goes between brackets.
func join(path, key string) string {
	switch {
	case strings.ContainsAny(key, ".[/"):
		return path + "[" + key + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

func (d *strict) fields(n *yamlv3.Node, v reflect.Value, t *layout, path string) {
	d.pairs(n, path, func(key string, value *yamlv3.Node, path string) {
		index, ok := t.fields[key]
		if !ok {
			text := "there is no field " + path
			if near := Nearest(key, t.names); len(near) > 0 {
				text += ", did you mean " + near[0] + "?"
			}
			d.tell(FactUnknownField, path, "%s", text)
			return
		}
		d.value(value, v.FieldByIndex(index), path)
	})
}

func (d *strict) entries(n *yamlv3.Node, v reflect.Value, path string) {
	into := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	d.pairs(n, path, func(key string, value *yamlv3.Node, path string) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(value, element, path)
		into.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), element)
	})
	v.Set(into)
}

func (d *strict) list(n *yamlv3.Node, v reflect.Value, path string) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if n.Kind != yamlv3.ScalarNode || err != nil {
			d.tell(FactWrongType, path, "%s is not base64", path)
		}
		v.SetBytes(data)
		return
	}
	if !d.is(n, yamlv3.SequenceNode, "a list", path) {
		return
	}
	into := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, into.Index(i), path+"["+strconv.Itoa(i)+"]")
	}
	v.Set(into)
}

func (d *strict) scalar(n *yamlv3.Node, v reflect.Value, path string) {
	want := "a number"
	switch v.Kind() {
	case reflect.String:
		want = "a text"
	case reflect.Bool:
		want = "true or false"
	}
	if !d.is(n, yamlv3.ScalarNode, want, path) {
		return
	}
	is, old := describeNode(n), oldBool(n)
	if old {
		is = "true or false"
	}
	switch {
	case want == "a text":
		v.SetString(n.Value)
		if is != want {
			d.tell(FactWrongType, path, "%s is %s to Kubernetes, expected a text: put it between quotes", path, is)
		}
	case is != want:
		d.tell(FactWrongType, path, "%s is %s, expected %s", path, is, want)
	case old:
		v.SetBool(strings.HasPrefix(strings.ToLower(n.Value), "y") || strings.EqualFold(n.Value, "on"))
	default:
		if err := n.Decode(v.Addr().Interface()); err != nil {
			d.tell(FactWrongType, path, "%s is %s, which does not fit", path, n.Value)
		}
	}
}

// oldBool tells whether a plain scalar is a truth value to YAML 1.1, which Kubernetes reads
// (sigs.k8s.io/yaml/goyaml.v2/resolve.go), and a text to YAML 1.2.
func oldBool(n *yamlv3.Node) bool {
	if n.Style != 0 || len(n.Value) > 3 || n.ShortTag() != "!!str" {
		return false
	}
	switch n.Value {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return true
	}
	return false
}

func isNull(n *yamlv3.Node) bool {
	return n.Kind == yamlv3.ScalarNode && n.Style == 0 && (n.Value == "" || n.Value == "~" || n.Value == "null")
}

// custom decodes a type that reads its own JSON: quantities, times, raw extensions.
func (d *strict) custom(n *yamlv3.Node, v reflect.Value, path string) {
	data, err := json.Marshal(plainValue(n, &d.steps))
	if err == nil {
		err = v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(data)
	}
	if err != nil {
		d.tell(FactWrongType, path, "%s is %.60s, which is no %s", path, data, strings.ToLower(v.Type().Name()))
	}
}

// plainValue returns a tree of YAML as JSON knows it, within a number of steps.
func plainValue(n *yamlv3.Node, steps *int) any {
	if *steps--; *steps < 0 {
		return nil
	}
	switch n = behind(n); n.Kind {
	case yamlv3.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plainValue(n.Content[i+1], steps)
		}
		return m
	case yamlv3.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			list = append(list, plainValue(item, steps))
		}
		return list
	}
	if n.Kind != yamlv3.ScalarNode {
		return n.Value
	}
	return plainScalar(n)
}

func plainScalar(n *yamlv3.Node) any {
	switch n.ShortTag() {
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return i
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!null":
		return nil
	}
	return n.Value // a date too is a text to Kubernetes
}

// A layout is what decoding needs to know of a type.
type layout struct {
	custom bool
	fields map[string][]int
	names  []string
}

var (
	layouts     sync.Map
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
)

func layoutOf(t reflect.Type) *layout {
	if known, ok := layouts.Load(t); ok {
		return known.(*layout)
	}
	f := &layout{custom: reflect.PointerTo(t).Implements(unmarshaler)}
	if t.Kind() == reflect.Struct && !f.custom {
		f.fields = map[string][]int{}
		f.add(t, nil)
	}
	layouts.Store(t, f)
	return f
}

func (l *layout) add(t reflect.Type, index []int) {
	for i := range t.NumField() {
		field := t.Field(i)
		at := append(append([]int(nil), index...), i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "" && (strings.Contains(options, "inline") || field.Anonymous):
			l.add(field.Type, at)
		case name != "" && name != "-":
			l.fields[name] = at
			l.names = append(l.names, name)
		}
	}
}

// DecodeStrict decodes a document into what into points to, and refuses what that does not have.
func DecodeStrict(doc []byte, into any) error {
	root, err := parseManifest(doc)
	if err != nil || root == nil {
		return oneLine(err)
	}
	d := &strict{steps: maxManifestSteps}
	d.value(root, reflect.ValueOf(into).Elem(), "")
	if len(d.facts) > 0 {
		f := d.facts[0]
		return fmt.Errorf("line %d: %s", place(root, f.Where).Line, f.Text)
	}
	return nil
}
