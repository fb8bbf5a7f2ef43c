// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"errors"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/report"
)

// elsewhere stands for a name of what a caller may not see.
const elsewhere = "(elsewhere)"

// A veil hides names of what a caller may not see in what he is shown: of namespaces where a text says that they are one, and of
// the things in them that one piece of evidence has, wherever they stand.
type veil struct {
	spaces, names map[string]bool
}

// veilOf hides what a caller may not see; nil for whoever may see all. The bundle is all of the evidence of what is shown, if any.
func (r Rights) veilOf(bundle map[string][]byte) *veil {
	if r.All {
		return nil
	}
	v := &veil{map[string]bool{}, map[string]bool{}}
	for _, name := range r.Foreign {
		v.spaces[name] = true
	}
	for name, data := range bundle {
		v.learn(r, name, data)
	}
	for name := range bundle { // what is his own has its name
		if parts := strings.Split(name, "/"); len(parts) > 3 && (slices.Contains(r.Namespaces, parts[1]) || parts[1] == "_cluster" && parts[2] == "node") {
			delete(v.names, strings.TrimSuffix(parts[len(parts)-1], ".yaml"))
			delete(v.names, parts[2])
		}
	}
	for _, name := range r.Namespaces {
		delete(v.names, name)
	}
	return v
}

// learn notes the names that a file tells of other namespaces.
func (v *veil) learn(r Rights, name string, data []byte) {
	var docs []any
	switch room, rest, _ := strings.Cut(name, "/"); {
	case room == "logs":
		parts := strings.Split(rest, "/")
		docs = []any{map[string]any{"namespace": parts[0], "name": parts[min(1, len(parts)-1)]}}
	case path.Ext(name) == ".yaml":
		var doc any
		if yaml.Unmarshal(data, &doc) == nil {
			docs = []any{doc}
		}
	case path.Ext(name) == ".jsonl":
		for line := range strings.Lines(string(data)) {
			var doc any
			if json.Unmarshal([]byte(line), &doc) == nil {
				docs = append(docs, doc)
			}
		}
	}
	for _, doc := range docs {
		v.walk(r, doc)
	}
}

// placed matches a name with its namespace, as kubelets, schedulers and controllers write it.
var placed = regex.New(`[a-z0-9][-a-z0-9]*/[a-z0-9][-.a-z0-9]*`)

func (v *veil) walk(r Rights, doc any) {
	switch doc := doc.(type) {
	case string:
		v.hear(doc)
	case []any:
		for _, d := range doc {
			v.walk(r, d)
		}
	case map[string]any:
		if space, _ := doc["namespace"].(string); space != "" && !slices.Contains(r.Namespaces, space) {
			v.spaces[space], v.names[space] = true, true
			for _, key := range []string{"name", "pod", "generateName"} {
				if name, _ := doc[key].(string); name != "" {
					v.names[name] = true
				}
			}
		}
		for _, d := range doc {
			v.walk(r, d)
		}
	}
}

// hear notes who is named with a namespace in a text: another text may name him without it.
func (v *veil) hear(text string) {
	for _, found := range placed.FindAllString(text, -1) {
		if space, name, _ := strings.Cut(found, "/"); v.spaces[space] && strings.Contains(name, "-") { // else it is a word as well
			v.names[strings.TrimRight(name, ".-")] = true
		}
	}
}

func inName(c byte) bool {
	return c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// hide returns a text without the names.
func (v *veil) hide(text string) string {
	if v == nil {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && inName(text[end]) {
			end++
		}
		if end == i {
			b.WriteByte(text[i])
			i++
			continue
		}
		word, whole := text[i:end], end
		for whole < len(text) && (inName(text[whole]) || text[whole] == '.') { // names of pods may have dots
			whole++
		}
		full := strings.TrimRight(text[i:whole], ".")
		switch {
		case v.spaces[word] && (v.names[word] || isSpace(text[:i], text[end:])):
			b.WriteString(elsewhere)
			end += owned(text[end:])
		case v.names[full]:
			b.WriteString(elsewhere)
			end = i + len(full)
		case v.names[word]:
			b.WriteString(elsewhere)
		default:
			b.WriteString(word)
		}
		i = end
	}
	return b.String()
}

// isSpace tells by what stands before and behind a word that it is a namespace.
func isSpace(before, behind string) bool {
	before = strings.TrimRight(before, `"' `)
	return len(behind) > 1 && behind[0] == '/' && inName(behind[1]) || strings.HasPrefix(behind, ".svc") ||
		strings.HasSuffix(before, "namespace") || strings.HasSuffix(before, "namespaces") || strings.HasSuffix(before, " -n") || strings.HasSuffix(before, "--namespace")
}

// owned returns how long the name is that follows a namespace.
func owned(behind string) int {
	n := 0
	if len(behind) > 1 && behind[0] == '/' && inName(behind[1]) {
		for n = 1; n < len(behind) && (inName(behind[n]) || behind[n] == '.'); n++ {
		}
	}
	return n
}

// cover hides names in all text of a page's value, and returns it. What is exactly a name is a name of the caller's own: the history
// was asked for what he may see.
func (v *veil) cover(data any) any {
	if v == nil || data == nil {
		return data
	}
	fresh := reflect.New(reflect.TypeOf(data)).Elem()
	fresh.Set(reflect.ValueOf(data))
	v.coverIn(fresh)
	return fresh.Interface()
}

func (v *veil) coverIn(x reflect.Value) {
	switch x.Kind() {
	case reflect.String:
		if hidden := v.hide(x.String()); hidden != x.String() && x.CanSet() {
			x.SetString(hidden)
		}
	case reflect.Pointer:
		if !x.IsNil() {
			v.coverIn(x.Elem())
		}
	case reflect.Interface:
		if !x.IsNil() && x.CanSet() {
			x.Set(reflect.ValueOf(v.cover(x.Interface())))
		}
	case reflect.Slice, reflect.Array:
		for i := range x.Len() {
			v.coverIn(x.Index(i))
		}
	case reflect.Struct:
		for _, field := range x.Fields() {
			if field.CanSet() {
				v.coverIn(field)
			}
		}
	case reflect.Map:
		for _, key := range x.MapKeys() {
			value := reflect.New(x.Type().Elem()).Elem()
			value.Set(x.MapIndex(key))
			v.coverIn(value)
			x.SetMapIndex(key, value)
		}
	}
}

// sees tells whether a caller may read of a thing.
func (r Rights) sees(t report.Thing) bool {
	return r.All || (t.Namespace == "" && (r.Nodes || t.Kind != "Node")) || slices.Contains(r.Namespaces, t.Namespace)
}

// narrow returns of a report what its reader may see: not what is about things of others, and no names of them. What follows from a
// cause that he may not see stands in its place.
func (r Rights) narrow(told *report.Report, bundle map[string][]byte) (*report.Report, error) {
	if r.All || told == nil {
		return told, nil
	}
	told.Causes = r.causes(told.Causes)
	told.Undetermined = slices.DeleteFunc(told.Undetermined, func(u report.Undetermined) bool { return !r.sees(u.About) })
	told.Skipped = slices.DeleteFunc(told.Skipped, func(s report.Skip) bool { return !r.sees(s.About) })
	told.Gaps = slices.DeleteFunc(told.Gaps, func(g report.Gap) bool { return !r.sees(g.About) })
	told.Measured = r.facts(told.Measured)
	narrowed, ok := r.veilOf(bundle).cover(*told).(report.Report)
	if !ok {
		return nil, errors.New("narrow a report: it became something else")
	}
	return &narrowed, nil
}

func (r Rights) causes(all []report.Cause) []report.Cause {
	kept := []report.Cause{}
	for _, c := range all {
		c.Leads = r.causes(c.Leads)
		c.Facts, c.Against = r.facts(c.Facts), r.facts(c.Against)
		c.Fixes = slices.DeleteFunc(slices.Clone(c.Fixes), func(f report.Fix) bool { return f.Patch != nil && !r.sees(f.Patch.Target) })
		if r.sees(c.About) {
			kept = append(kept, c)
		} else {
			kept = append(kept, c.Leads...)
		}
	}
	return kept
}

func (r Rights) facts(all []report.Fact) []report.Fact {
	return slices.DeleteFunc(slices.Clone(all), func(f report.Fact) bool { return !r.sees(f.About) })
}

// files returns of a bundle what a caller may have: his namespaces' as they are, and what belongs to none without names of others.
func (r Rights) files(bundle map[string][]byte) map[string][]byte {
	if r.All {
		return bundle
	}
	return r.filesBehind(r.veilOf(bundle), bundle)
}

func (r Rights) filesBehind(v *veil, bundle map[string][]byte) map[string][]byte {
	kept := map[string][]byte{}
	for name, data := range bundle {
		parts := strings.Split(name, "/")
		space, _, _ := strings.Cut(strings.Join(parts[1:min(2, len(parts))], ""), ".") // events/shop.2.yaml
		switch {
		case parts[0] != "nodes" && slices.Contains(r.Namespaces, space):
			kept[name] = data
		case parts[0] == "nodes":
			if r.Nodes {
				kept[name] = v.lines(r, data)
			}
		case space != "" && space != "_cluster", space != "" && !r.Nodes, strings.HasPrefix(name, "objects/_cluster/namespace/"):
		default:
			kept[name] = []byte(v.hide(string(data)))
		}
	}
	return kept
}

// narrowing says what of the export of an incident a caller may have.
func (r Rights) narrowing() history.Narrowing {
	if r.All {
		return history.Narrowing{}
	}
	veils := []*veil{r.veilOf(nil)} // a message names what the evidence has
	files := func(bundle map[string][]byte) map[string][]byte {
		v := r.veilOf(bundle)
		veils = append(veils, v)
		return r.filesBehind(v, bundle)
	}
	index := func(e history.Export) (history.Export, error) {
		e.Limit, e.Gaps = r.Limit, r.gaps(e.Gaps)
		var covered any = e
		for _, v := range veils {
			covered = v.cover(covered)
		}
		if e, ok := covered.(history.Export); ok {
			return e, nil
		}
		return e, errors.New("narrow an export: it became something else")
	}
	return history.Narrowing{Namespaces: r.allowed(), Files: files, Index: index, Bundles: mostExported}
}

// lines returns facts and runs without those of others.
func (v *veil) lines(r Rights, data []byte) []byte {
	var kept []byte
	for line := range strings.Lines(string(data)) {
		var doc any
		if json.Unmarshal([]byte(line), &doc) == nil && !r.foreignIn(doc) {
			kept = append(kept, v.hide(line)...)
		}
	}
	return kept
}

// foreignIn tells whether something is said of another namespace.
func (r Rights) foreignIn(doc any) bool {
	switch doc := doc.(type) {
	case []any:
		return slices.ContainsFunc(doc, r.foreignIn)
	case map[string]any:
		space, _ := doc["namespace"].(string)
		return space != "" && !slices.Contains(r.Namespaces, space) || slices.ContainsFunc(slices.Collect(maps.Values(doc)), r.foreignIn)
	}
	return false
}
