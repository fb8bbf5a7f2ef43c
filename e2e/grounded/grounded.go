// SPDX-License-Identifier: Apache-2.0

// Package grounded tells whether a fact that a report shows is found again at the place that it names.
package grounded

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// at returns what an API object, as decoded from JSON, holds at a field path. An element of a list is named by its
// index or, in brackets too, by its name, type, mount path or manager. The rest of a path behind a map whose keys have dots is one key.
func at(value any, path string) (any, bool) {
	for path != "" {
		var ok bool
		if value, path, ok = step(value, path); !ok {
			return nil, false
		}
	}
	return value, true
}

var element = regexp.MustCompile(`^\[([^\]]*)\]`)

// step follows the first part of a path and returns the rest of it.
func step(value any, path string) (any, string, bool) {
	path = strings.TrimPrefix(path, ".")
	if m := element.FindStringSubmatch(path); m != nil {
		if object, ok := value.(map[string]any); ok { // a key with dots
			v, ok := object[m[1]]
			return v, path[len(m[0]):], ok
		}
		list, _ := value.([]any)
		i := slices.IndexFunc(list, func(e any) bool {
			object, _ := e.(map[string]any)
			return object["name"] == m[1] || object["type"] == m[1] || object["mountPath"] == m[1] || object["manager"] == m[1]
		})
		if n, err := strconv.Atoi(m[1]); i < 0 && err == nil && n < len(list) {
			i = n
		}
		if i < 0 {
			return nil, "", false
		}
		return list[i], path[len(m[0]):], true
	}
	object, _ := value.(map[string]any)
	if v, ok := object[path]; ok {
		return v, "", true
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		return nil, "", false
	}
	v, ok := object[path[:end]]
	return v, path[end:], ok
}

// mostMessage is how much of a long message a fact gives.
const mostMessage = 300

// Says tells whether a fact's text is what an object holds at a path: the path's last name and the value, or of a map
// some of its names and values, separated by commas. A list may be told by its length, or by the names of its elements.
func Says(object map[string]any, path, text string) bool {
	last := path[strings.LastIndex(path, ".")+1:]
	value, ok := at(object, path)
	if !ok || value == nil { // a list without elements is left out, or null
		return text == last+" 0" || text == last+" []"
	}
	if rest, ok := strings.CutPrefix(text, last+" "); ok && slices.Contains(forms(value), rest) {
		return true
	}
	fields, isMap := value.(map[string]any)
	if !isMap {
		name, rest, _ := strings.Cut(text, " ") // a key with dots
		return (strings.HasSuffix(path, "."+name) || strings.HasSuffix(path, "["+name+"]")) && slices.Contains(forms(value), rest)
	}
	return saysFields(fields, text)
}

func saysFields(fields map[string]any, text string) bool {
	for text != "" {
		name, rest, _ := strings.Cut(text, " ")
		value, ok := fields[name]
		if ok && len(rest) > mostMessage && strings.HasPrefix(words(value), rest) {
			return true
		}
		said := strings.TrimSpace(words(value)) // a message may end with its line
		if !ok || !strings.HasPrefix(rest, said) {
			return false
		}
		text = strings.TrimPrefix(rest, said)
		if strings.TrimSpace(text) == "" {
			return true
		}
		if !strings.HasPrefix(text, ", ") {
			return false
		}
		text = strings.TrimPrefix(text, ", ")
	}
	return true
}

// forms are the ways in which a fact may print a value.
func forms(value any) []string {
	all := []string{words(value), fmt.Sprint(value)}
	list, ok := value.([]any)
	if !ok {
		return all
	}
	var names []any
	for _, e := range list {
		if object, ok := e.(map[string]any); ok {
			names = append(names, object["name"])
		}
	}
	return append(all, strconv.Itoa(len(list)), fmt.Sprint(names))
}

// words prints a value as facts do: a command as one would type it, anything else as Go does.
func words(value any) string {
	list, ok := value.([]any)
	if !ok {
		return fmt.Sprint(value)
	}
	var parts []string
	for _, e := range list {
		parts = append(parts, fmt.Sprint(e))
	}
	return strings.Join(parts, " ")
}
