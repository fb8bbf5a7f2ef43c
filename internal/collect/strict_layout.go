// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
)

// A layout is what decoding needs to know of a type.
type layout struct {
	of     reflect.Type
	kind   reflect.Kind
	custom bool
	fields map[string]*fieldLayout
	names  []string
	below  atomic.Pointer[layout]
}

// A fieldLayout is where a field of a struct is. Its own layout is looked up when it is first read: types contain themselves.
type fieldLayout struct {
	of    reflect.Type
	index []int
	known atomic.Pointer[layout]
}

var (
	layouts     sync.Map
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
)

func layoutOf(t reflect.Type) *layout {
	if known, ok := layouts.Load(t); ok {
		return known.(*layout)
	}
	l := &layout{of: t, kind: t.Kind(), custom: reflect.PointerTo(t).Implements(unmarshaler)}
	if l.kind == reflect.Struct && !l.custom {
		l.fields = map[string]*fieldLayout{}
		l.add(t, nil)
	}
	known, _ := layouts.LoadOrStore(t, l)
	return known.(*layout)
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
			l.fields[name] = &fieldLayout{of: field.Type, index: at}
			l.names = append(l.names, name)
		}
	}
}

// elem returns the layout of what a pointer, a list or a mapping holds.
func (l *layout) elem() *layout { return kept(&l.below, l.of.Elem) }

func (f *fieldLayout) layout() *layout { return kept(&f.known, func() reflect.Type { return f.of }) }

func kept(at *atomic.Pointer[layout], of func() reflect.Type) *layout {
	l := at.Load()
	if l == nil {
		l = layoutOf(of())
		at.Store(l)
	}
	return l
}

// DecodeStrict decodes a document, a mapping, into what into points to, and refuses what that does not have.
func DecodeStrict(doc []byte, into any) error {
	end, next := documentEnd(doc, 0)
	if !anyValue(doc[:end]) {
		end, next = documentEnd(doc, next)
	}
	root, err := parseManifest(doc, nil)
	switch {
	case err != nil:
		return oneLine(err)
	case anyValue(doc[next:]):
		return errors.New("it has several documents, expected one")
	case root == nil && anyValue(doc[:end]):
		return errors.New("it is no mapping, expected its fields")
	case root == nil:
		return nil
	}
	steps := maxManifestSteps
	d := &strict{steps: &steps}
	v := reflect.ValueOf(into).Elem()
	d.value(root, v, layoutOf(v.Type()))
	if len(d.facts) > 0 {
		f := d.facts[0]
		return fmt.Errorf("line %d: %s", place(root, f.Where).Line, f.Text)
	}
	return nil
}
