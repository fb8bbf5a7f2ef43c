// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// An editor collects the changes of a document.
type editor struct {
	doc     *document
	style   style
	changes []change
}

// A change puts text in place of the bytes from one place of the source to another.
type change struct {
	from, to int
	text     string
}

// A spot is a value where it stands.
type spot struct {
	*node
	name string // its path, as in spec.replicas, for messages
	key  *node  // of a mapping, or nil for an element of a sequence and for the object itself
	flow bool   // it stands in a collection in flow style
}

func (e *editor) replace(from, to int, text string) {
	e.changes = append(e.changes, change{from, to, text})
}

// apply makes the changes. What is put in at a place comes before what is replaced from there.
func (e *editor) apply() ([]byte, error) {
	slices.SortStableFunc(e.changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	var out []byte
	at := 0
	for _, c := range e.changes {
		if c.from < at {
			return nil, fmt.Errorf("%s:%d: two changes fall on the same place: make them by hand", e.doc.file, e.doc.lineOf(min(c.from, e.doc.end)))
		}
		out = append(append(out, e.doc.src[at:c.from]...), c.text...)
		if at = c.to; at == e.doc.end && endsLiteral.MatchString(c.text) && !strings.HasSuffix(c.text, e.style.eol) {
			out = append(out, e.style.eol...) // the break counts, and the source has none at its end
		}
	}
	return append(out, e.doc.src[at:]...), nil
}

// endsLiteral finds a literal text whose last break is part of it.
var endsLiteral = regexp.MustCompile(`\|\+?\r?\n`)

// unsafe is an error that names the file, the line and the field, and says what to do.
func (e *editor) unsafe(at spot, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s %s", e.doc.file, e.doc.lineOf(at.start), cmp.Or(at.name, "this object"), fmt.Sprintf(format, args...))
}

// value makes one value into another.
func (e *editor) value(at spot, have, want any) error {
	if same(have, want) {
		return nil
	}
	text, _ := have.(string)
	switch {
	case at.Kind == alias:
		return e.unsafe(at, "is the alias *%s: change what has the anchor, at line %d, for all who use it, or write the value out here", at.Value, e.doc.line+at.Alias.Line)
	case at.used:
		return e.unsafe(at, "has the anchor &%s, and aliases of it would change too: change it by hand, or write the value out where it is used", at.Anchor)
	case strings.Contains(text, "{{"):
		return e.unsafe(at, "is filled in by a template: change the values that it is rendered with")
	}
	was, isMap := have.(map[string]any)
	will, toMap := want.(map[string]any)
	if isMap && toMap && at.Kind == mapping {
		return e.mapping(at, was, will)
	}
	old, isList := have.([]any)
	now, toList := want.([]any)
	if isList && toList && at.Kind == sequence && len(at.kids) == len(old) {
		return e.sequence(at, old, now)
	}
	return e.rewrite(at, want)
}

// mapping changes entries, takes away those that are not wanted, and adds new ones at the end.
func (e *editor) mapping(at spot, have, want map[string]any) error {
	entries, err := e.entries(at, have, want)
	if err != nil {
		return err
	}
	var added []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if _, ok := have[key]; !ok {
			added = append(added, key)
		}
	}
	keeps := slices.ContainsFunc(entries, func(s span) bool { return !s.gone })
	if !keeps {
		return e.rewrite(at, want)
	}
	for i, s := range entries {
		if !s.gone && !s.merges {
			if err := e.value(spot{at.kids[2*i+1], s.name, at.kids[2*i], at.flow || at.node.flow()}, have[s.key], want[s.key]); err != nil {
				return err
			}
		}
	}
	if err := e.remove(at, entries); err != nil {
		return err
	}
	var texts []item
	for _, key := range ordered(added) {
		texts = append(texts, item{key, want[key]})
	}
	last := len(entries) - 1
	for entries[last].gone {
		last--
	}
	return e.add(at, entries, last, texts)
}

// entries returns the entries of a mapping as they stand, with those marked that are not wanted. What a merge key brings cannot be
// changed there, since others merge it too.
func (e *editor) entries(at spot, have, want map[string]any) ([]span, error) {
	var all []span
	stands := map[string]bool{}
	merge := 0
	for i := 0; i+1 < len(at.kids); i += 2 {
		k, v := at.kids[i], at.kids[i+1]
		s := span{key: k.Value, start: k.start, end: max(k.end, v.end), name: strings.TrimPrefix(at.name+"."+k.Value, "."), merges: k.Tag == "!!merge"}
		kept, wantKey := want[s.key]
		had, haveKey := have[s.key]
		switch {
		case s.merges:
			merge = k.start
		case k.Kind != scalar || !haveKey:
			return nil, e.unsafe(at, "has a key that is no plain text: change it by hand")
		case stands[s.key] && !same(had, kept):
			return nil, e.unsafe(at, "has the key %s twice: remove one", s.key)
		}
		stands[s.key] = true
		s.gone = !s.merges && !wantKey
		all = append(all, s)
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if !stands[key] && !same(have[key], want[key]) {
			return nil, e.unsafe(at, "has %s by the merge key at line %d, from where others have it too: write it out here, or change it there", key, e.doc.lineOf(merge))
		}
	}
	return all, nil
}

// sequence changes elements, takes away those that are not wanted, and puts in new ones where they belong.
func (e *editor) sequence(at spot, have, want []any) error {
	steps := align(have, want)
	elements := make([]span, len(have))
	for i, kid := range at.kids {
		elements[i] = span{start: kid.start, end: max(kid.end, kid.dash+1), name: fmt.Sprintf("%s[%s]", at.name, label(have[i], i)), gone: true}
		if kid.dash >= 0 {
			elements[i].start = kid.dash
		}
	}
	for _, s := range steps {
		if s.have >= 0 && s.want >= 0 {
			elements[s.have].gone = false
		}
	}
	if !slices.ContainsFunc(elements, func(s span) bool { return !s.gone }) {
		return e.rewrite(at, want)
	}
	after := -1
	var texts []item
	for _, s := range steps {
		if s.have < 0 {
			texts = append(texts, item{"", want[s.want]})
			continue
		}
		if err := e.add(at, elements, after, texts); err != nil {
			return err
		}
		texts, after = nil, s.have
		if s.want >= 0 {
			if err := e.value(spot{at.kids[s.have], elements[s.have].name, nil, at.flow || at.node.flow()}, have[s.have], want[s.want]); err != nil {
				return err
			}
		}
	}
	if err := e.remove(at, elements); err != nil {
		return err
	}
	return e.add(at, elements, after, texts)
}

// label names an element in messages: by its name, or by its place.
func label(element any, i int) string {
	if id := identity(element); id != "" {
		return id
	}
	return fmt.Sprint(i)
}
