// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// maxManifestFacts bounds what is told of the fields of one object.
	maxManifestFacts = 200
	// maxPathKey bounds a key where it is told: the longest that Kubernetes takes are of labels, a name and a domain.
	maxPathKey = 320
)

// A strict decoder puts a tree of YAML into a typed object as the API server does with fieldValidation=Strict
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation): a field that there is not, one that is
// given twice and a value of the wrong type are told, and all else is read. It works on the tree, and not on JSON, because
// only the tree knows where things stand. What it tells names fields and never a value, which may be a secret.
type strict struct {
	about   evidence.Ref
	facts   []evidence.Fact
	at      []step // the way to what is being read
	steps   *int   // left for the document, so that aliases of aliases do not unfold without end
	stopped bool
}

// A step goes to a key of a mapping or an element of a list.
type step struct {
	key   string
	index int // from 1; 0 of a key
}

// path writes where the decoder is, as Place reads it. A key with a dot goes between brackets.
func (d *strict) path() string {
	var b strings.Builder
	for _, s := range d.at {
		key := s.key[:min(len(s.key), maxPathKey)]
		switch {
		case s.index > 0:
			b.WriteString("[" + strconv.Itoa(s.index-1) + "]")
		case strings.ContainsAny(key, ".[/"):
			b.WriteString("[" + key + "]")
		case b.Len() == 0:
			b.WriteString(key)
		default:
			b.WriteString("." + key)
		}
	}
	return b.String()
}

// tell tells of the place where the decoder is; the first argument of the format is its path.
func (d *strict) tell(name, format string, args ...any) {
	path := ""
	if len(d.facts) <= maxManifestFacts {
		path = d.path()
	}
	switch {
	case len(d.facts) < maxManifestFacts:
		d.add(name, path, fmt.Sprintf(format, append([]any{path}, args...)...))
	case len(d.facts) == maxManifestFacts:
		d.add(FactUnreadable, path, fmt.Sprintf("more than %d of its fields are wrong, the rest is not told: correct those first", maxManifestFacts))
	}
}

func (d *strict) add(name, path, text string) {
	d.facts = append(d.facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: d.about, Where: path, Name: name, Text: text})
}

// spend takes steps of those that are left, and tells whether there were so many.
func (d *strict) spend(steps int) bool {
	if *d.steps -= steps; *d.steps < 0 {
		d.stop("its aliases unfold to more values than are read")
	}
	return !d.stopped
}

// stop ends the reading of the document, and says why and where.
func (d *strict) stop(why string) {
	if !d.stopped {
		d.facts = nil
		d.add(FactUnreadable, d.path(), why)
	}
	d.stopped, *d.steps = true, -1
}

// stepsOf is what reading a node costs: long texts are masked and copied, as often as aliases name them.
func stepsOf(n *yamlv3.Node) int { return 1 + len(n.Value)>>8 }

// value decodes a node into v, which can be set.
func (d *strict) value(n *yamlv3.Node, v reflect.Value, t *layout) {
	n = behind(n)
	if !d.spend(stepsOf(n)) || isNull(n) {
		return
	}
	if t.kind == reflect.Pointer {
		v.Set(reflect.New(t.elem().of))
		v, t = v.Elem(), t.elem()
	}
	if t.custom {
		d.custom(n, v)
		return
	}
	switch t.kind {
	case reflect.Struct:
		if d.is(n, yamlv3.MappingNode, "a mapping") {
			d.fields(n, v, t)
		}
	case reflect.Map:
		if d.is(n, yamlv3.MappingNode, "a mapping") {
			d.entries(n, v, t)
		}
	case reflect.Slice:
		d.list(n, v, t)
	case reflect.Interface:
		if plain := d.plain(n); plain != nil {
			v.Set(reflect.ValueOf(plain))
		}
	default:
		d.scalar(n, v, t)
	}
}

// is tells whether a node is of a kind, and says so where it is not.
func (d *strict) is(n *yamlv3.Node, kind yamlv3.Kind, want string) bool {
	switch {
	case n.Kind == kind:
	case n.Kind == yamlv3.MappingNode && len(n.Content) > 0 && n.Content[0].Kind == yamlv3.MappingNode: // {{ … }}
		d.tell(FactUnreadable, "%[1]s is a template that was not rendered")
	default:
		d.tell(FactWrongType, "%[1]s is %[2]s, expected %[3]s", describeNode(n), want)
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
	switch {
	case plainText(n):
		return "a text"
	case plainNumber(n):
		return "a number"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	}
	return "a text"
}

// plainText tells of a scalar whose first letter begins no number, truth value, nothing and day, so that it need not be resolved.
func plainText(n *yamlv3.Node) bool {
	return n.Tag == "" && n.Value != "" && (n.Style != 0 || strings.IndexByte("0123456789+-.~<=tTfFyYnNoO", n.Value[0]) < 0)
}

// plainNumber tells of a scalar that is a whole number as nearly all are written, so that it need not be resolved either.
func plainNumber(n *yamlv3.Node) bool {
	return n.Tag == "" && n.Style == 0 && digitsOf(n.Value) == len(n.Value) && len(n.Value) > 0
}

// digitsOf returns how many digits of a whole number a text begins with: of one below 10^9, which no zero begins but 0 itself.
func digitsOf(text string) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	if n > 9 || n > 1 && text[0] == '0' {
		return 0
	}
	return n
}

func (d *strict) fields(n *yamlv3.Node, v reflect.Value, t *layout) {
	d.pairs(n, func(key string, value *yamlv3.Node) {
		f, ok := t.fields[key]
		if !ok {
			near := ""
			if len(key) <= 2*maxFieldName {
				for _, name := range Nearest(key, t.names) {
					near = ", did you mean " + name + "?"
					break
				}
			}
			d.tell(FactUnknownField, "there is no field %[1]s%[2]s", near)
			return
		}
		d.value(value, v.FieldByIndex(f.index), f.layout())
	})
}

// maxFieldName is longer than the names of all fields of Kubernetes.
const maxFieldName = 64

func (d *strict) entries(n *yamlv3.Node, v reflect.Value, t *layout) {
	into := reflect.MakeMapWithSize(t.of, len(n.Content)/2)
	key, element := reflect.New(t.of.Key()).Elem(), reflect.New(t.elem().of).Elem()
	d.pairs(n, func(name string, value *yamlv3.Node) {
		key.SetString(name)
		element.SetZero()
		d.value(value, element, t.elem())
		into.SetMapIndex(key, element)
	})
	v.Set(into)
}

func (d *strict) list(n *yamlv3.Node, v reflect.Value, t *layout) {
	if t.elem().kind == reflect.Uint8 {
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if n.Kind != yamlv3.ScalarNode || err != nil {
			d.tell(FactWrongType, "%[1]s is not base64")
		}
		v.SetBytes(data)
		return
	}
	if !d.is(n, yamlv3.SequenceNode, "a list") {
		return
	}
	into := reflect.MakeSlice(t.of, len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.at = append(d.at, step{index: i + 1})
		d.value(item, into.Index(i), t.elem())
		d.at = d.at[:len(d.at)-1]
	}
	v.Set(into)
}

func (d *strict) scalar(n *yamlv3.Node, v reflect.Value, t *layout) {
	want := "a number"
	switch t.kind {
	case reflect.String:
		want = "a text"
	case reflect.Bool:
		want = "true or false"
	}
	if !d.is(n, yamlv3.ScalarNode, want) {
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
			d.tell(FactWrongType, "%[1]s is %[2]s to Kubernetes, expected a text: put it between quotes", is)
		}
	case is != want:
		d.tell(FactWrongType, "%[1]s is %[2]s, expected %[3]s", is, want)
	case old:
		v.SetBool(strings.HasPrefix(strings.ToLower(n.Value), "y") || strings.EqualFold(n.Value, "on"))
	default:
		d.number(n, v)
	}
}

// number decodes a number or a truth value.
func (d *strict) number(n *yamlv3.Node, v reflect.Value) {
	if v.CanInt() && n.Value[0] >= '1' && n.Value[0] <= '9' {
		if i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits()); err == nil {
			v.SetInt(i)
			return
		}
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	switch {
	case v.CanInt() && err == nil && f != math.Trunc(f):
		d.tell(FactWrongType, "%[1]s is a number that does not fit, expected a whole one")
	case n.Decode(v.Addr().Interface()) != nil:
		d.tell(FactWrongType, "%[1]s is a number that does not fit, expected one of %[2]d bits", v.Type().Bits())
	}
}

// oldBool tells whether a plain scalar is a truth value to YAML 1.1, which Kubernetes reads
// (sigs.k8s.io/yaml/goyaml.v2/resolve.go), and a text to YAML 1.2.
func oldBool(n *yamlv3.Node) bool {
	if n.Style != 0 || len(n.Value) > 3 {
		return false
	}
	switch n.Value {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return n.ShortTag() == "!!str"
	}
	return false
}

func isNull(n *yamlv3.Node) bool {
	return n.Kind == yamlv3.ScalarNode && n.Style == 0 && (n.Value == "" || n.Value == "~" || n.Value == "null")
}

// custom decodes a type that reads its own JSON: quantities, times, raw extensions.
func (d *strict) custom(n *yamlv3.Node, v reflect.Value) {
	if usual(n, v) {
		d.spend(stepsOf(n))
		return
	}
	data, err := json.Marshal(d.plain(n))
	if err == nil {
		err = v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(data)
	}
	if err != nil {
		d.tell(FactWrongType, "%[1]s is %[2]s that is no %[3]s", describeNode(n), strings.ToLower(v.Type().Name()))
	}
}

// units are those of quantities that may follow digits and leave no doubt that it is a text.
var units = []string{"", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti"}

// usual decodes quantities, and ports by number or name, as nearly all are written, several times faster than by way of JSON.
func usual(n *yamlv3.Node, v reflect.Value) bool {
	if n.Kind != yamlv3.ScalarNode || n.Tag != "" {
		return false
	}
	switch into := v.Addr().Interface().(type) {
	case *quantity.Quantity:
		if digits := digitsOf(n.Value); digits > 0 && slices.Contains(units, n.Value[digits:]) {
			q, err := quantity.ParseQuantity(n.Value)
			*into = q
			return err == nil
		}
	case *intstr.IntOrString:
		switch {
		case plainText(n):
			*into = intstr.FromString(n.Value)
			return true
		case plainNumber(n):
			number, err := strconv.ParseInt(n.Value, 10, 32)
			*into = intstr.FromInt32(int32(number))
			return err == nil
		}
	}
	return false
}

// plain returns a tree of YAML as JSON knows it.
func (d *strict) plain(n *yamlv3.Node) any {
	n = behind(n)
	if !d.spend(stepsOf(n)) {
		return nil
	}
	switch n.Kind {
	case yamlv3.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = d.plain(n.Content[i+1])
		}
		return m
	case yamlv3.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			list = append(list, d.plain(item))
		}
		return list
	}
	if n.Kind != yamlv3.ScalarNode {
		return n.Value
	}
	return plainScalar(n)
}

func plainScalar(n *yamlv3.Node) any {
	if plainText(n) {
		return n.Value
	}
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
