// SPDX-License-Identifier: Apache-2.0

// Package edit changes YAML and JSON sources as a careful person does: the bytes of the values that change are replaced, put in or taken
// out at the place where they stand, and everything else, comments and order and quotes and ends of lines, stays byte for byte.
//
// What is wanted is told by a patch. It is applied to the object as Kubernetes reads the file, the result is compared with the tree of the
// source, and what differs becomes changes of bytes. The outcome is read again before it is returned: when it is not what was wanted, and
// wherever a change would reach further than it should (an alias, a merge key, a template), there is an error and no outcome.
//
// The package reads no files and asks no cluster.
package edit

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ErrAbsent is returned where a source does not hold the object.
var ErrAbsent = errors.New("the object is not in it")

// maxSource bounds a source, in bytes: no manifest is larger than what etcd takes, and a list of them is rarely ten times that.
const maxSource = 16 << 20

// An Object names one object of a source. The version of its API does not matter; a manifest without a namespace is in any, and an Object
// without one may be in any. The zero Object is the source itself, which then is one mapping, as the values of a chart.
type Object struct{ APIVersion, Kind, Namespace, Name string }

// String names the object in messages.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// The kinds of patches: as kubectl patch --type has them.
const (
	Strategic = "strategic" // lists merge by their keys; for the kinds of Kubernetes itself
	JSON      = "json"      // RFC 6902
	Merge     = "merge"     // RFC 7386
)

// Patch returns the source with a patch applied to one object of it. File names the source in errors.
func Patch(file string, src []byte, o Object, kind, patch string) ([]byte, error) {
	docs, err := read(file, src)
	if err != nil {
		return nil, err
	}
	at, err := find(file, docs, o)
	if err != nil {
		return nil, err
	}
	want, err := wanted(at.value, o, kind, patch)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: apply the patch to %s: %w", file, at.line(), o, err)
	}
	out, err := at.rewrite(want)
	if err == nil {
		err = at.check(docs, out, want)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Line returns the line, from 1, on which an object begins in a source.
func Line(file string, src []byte, o Object) (int, error) {
	docs, err := read(file, src)
	if err != nil {
		return 0, err
	}
	at, err := find(file, docs, o)
	if err != nil {
		return 0, err
	}
	return at.line(), nil
}

// A target is an object in a document: the document's root, or an item of a list.
type target struct {
	doc   *document
	item  int // of a list, or -1
	node  *node
	value any
}

func (t *target) line() int {
	if t.node == nil {
		return t.doc.line + 1
	}
	return t.doc.lineOf(t.node.start)
}

// rewrite returns the whole source with the target changed to what is wanted.
func (t *target) rewrite(want any) ([]byte, error) {
	e := &editor{doc: t.doc, style: styleOf(t.doc)}
	if t.node == nil {
		e.begin(want)
	} else if err := e.value(spot{node: t.node, name: ""}, t.value, want); err != nil {
		return nil, err
	}
	return e.apply()
}

// check reads the outcome again.
func (t *target) check(docs []*document, out []byte, want any) error {
	again, err := read(t.doc.file, out)
	if err == nil && len(again) != len(docs) {
		err = errors.New("the documents would be divided differently")
	}
	for i := 0; err == nil && i < len(docs); i++ {
		switch d := again[i]; {
		case docs[i] != t.doc && string(d.text()) != string(docs[i].text()):
			err = errors.New("another document would change")
		case docs[i] == t.doc && d.err != nil:
			err = d.err
		case docs[i] == t.doc && !same(t.in(d), want):
			err = errors.New("the outcome would not be what is wanted")
		}
	}
	if err != nil {
		return fmt.Errorf("%s:%d: this cannot be edited safely, change it by hand: %w", t.doc.file, t.line(), err)
	}
	return nil
}

// in returns the value of the target in the document as it is after the change.
func (t *target) in(d *document) any {
	if t.item < 0 {
		return d.value
	}
	if m, ok := d.value.(map[string]any); ok {
		if items, ok := m["items"].([]any); ok && t.item < len(items) {
			return items[t.item]
		}
	}
	return nil
}

// find returns the one place where the object stands.
func find(file string, docs []*document, o Object) (*target, error) {
	if o == (Object{}) {
		return whole(file, docs)
	}
	var exact, loose []*target
	for _, d := range docs {
		for _, t := range d.targets() {
			switch fit(t.value, o) {
			case 2:
				exact = append(exact, t)
			case 1:
				loose = append(loose, t)
			}
		}
	}
	if len(exact) == 0 {
		exact = loose
	}
	switch len(exact) {
	case 1:
		return exact[0], nil
	case 0:
		for _, d := range docs {
			if d.err != nil && bytes.Contains(d.text(), []byte(o.Name)) {
				return nil, d.err
			}
		}
		return nil, fmt.Errorf("%s: %s: %w", file, o, ErrAbsent)
	}
	var lines []string
	for _, t := range exact {
		lines = append(lines, fmt.Sprint(t.line()))
	}
	return nil, fmt.Errorf("%s: %s stands there %d times, at lines %s: remove all but one", file, o, len(exact), strings.Join(lines, ", "))
}

// whole is the target of a source that is one mapping.
func whole(file string, docs []*document) (*target, error) {
	var found *target
	for _, d := range docs {
		switch {
		case d.err != nil:
			return nil, d.err
		case d.root == nil:
		case found != nil:
			return nil, fmt.Errorf("%s:%d: a second document begins here, and one mapping was expected", file, d.line+1)
		default:
			found = &target{doc: d, item: -1, node: d.root, value: d.value}
		}
	}
	if found == nil {
		return &target{doc: docs[len(docs)-1], item: -1, value: map[string]any{}}, nil
	}
	if found.value == nil {
		found.node, found.value = nil, map[string]any{}
	}
	if _, ok := found.value.(map[string]any); !ok {
		return nil, fmt.Errorf("%s:%d: a mapping was expected here", file, found.line())
	}
	return found, nil
}

// targets returns the objects of a document.
func (d *document) targets() []*target {
	m, ok := d.value.(map[string]any)
	if !ok {
		return nil
	}
	kind, _ := m["kind"].(string)
	items, ok := m["items"].([]any)
	if !ok || !strings.HasSuffix(kind, "List") {
		return []*target{{doc: d, item: -1, node: d.root, value: m}}
	}
	list := d.root.child("items")
	if list == nil || list.Kind != sequence || len(list.kids) != len(items) {
		return nil
	}
	var all []*target
	for i, item := range items {
		all = append(all, &target{doc: d, item: i, node: list.kids[i], value: item})
	}
	return all
}

// fit tells how well a manifest fits: 2 it is the object, 1 one of them says no namespace, 0 it is another.
func fit(value any, o Object) int {
	m, _ := value.(map[string]any)
	meta, _ := m["metadata"].(map[string]any)
	text := func(of map[string]any, field string) string {
		s, _ := of[field].(string)
		return s
	}
	namespace := text(meta, "namespace")
	switch {
	case text(m, "kind") != o.Kind || text(meta, "name") != o.Name || group(text(m, "apiVersion")) != group(o.APIVersion):
		return 0
	case namespace == o.Namespace:
		return 2
	case namespace == "", o.Namespace == "":
		return 1
	}
	return 0
}

func group(apiVersion string) string {
	if name, _, ok := strings.Cut(apiVersion, "/"); ok {
		return name
	}
	return ""
}
