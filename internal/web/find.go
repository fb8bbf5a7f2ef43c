// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/kubeinquest/inquest/internal/history"
)

const (
	usualFound = 50 // on a page
	mostLooked = 20 // times a page of the history is looked through for words that it is not asked for
)

// find asks the history for incidents. A word that may be the name of a namespace which the caller may not see is not asked for: what
// is found by it would tell what is hidden in texts about his own. It is looked for in what he sees of each incident instead.
func (c *Console) find(ctx context.Context, f history.Filter, may Rights) (items []Incident, next string, err error) {
	asked, apart := may.askable(f.Text)
	if len(apart) == 0 {
		found, err := c.Store.Incidents(ctx, f)
		return each(found.Items, incidentOf), found.Next, err
	}
	f.Text = asked
	most, v := max(f.Limit, usualFound), may.veilOf(nil)
	f.Limit = longSheet
	for range mostLooked {
		found, err := c.Store.Incidents(ctx, f)
		if err != nil {
			return nil, "", err
		}
		for _, in := range each(found.Items, incidentOf) {
			if shown, ok := v.cover(in).(Incident); ok && shown.has(apart) {
				items = append(items, in)
			}
		}
		if f.Cursor = found.Next; f.Cursor == "" || len(items) >= most {
			break
		}
	}
	return items, f.Cursor, nil
}

// askable parts what is looked for into what the history may be asked for and the words that name, or begin to name, what the caller
// may not see.
func (r Rights) askable(text string) (asked string, apart []string) {
	if r.All {
		return text, nil
	}
	foreign := map[string]bool{}
	for _, name := range r.Foreign {
		for part := range parts(name) {
			foreign[part] = true
		}
	}
	var rest []string
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		hidden := false
		for part := range parts(word) {
			for name := range foreign {
				hidden = hidden || part == name || len(part) > 2 && strings.HasPrefix(name, part)
			}
		}
		if hidden {
			apart = append(apart, word)
		} else {
			rest = append(rest, word)
		}
	}
	return strings.Join(rest, " "), apart
}

// parts are the runs of letters and digits in a text: what the history finds words by.
func parts(text string) func(func(string) bool) {
	return strings.FieldsFuncSeq(strings.ToLower(text), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}

// has tells whether all words are in what a list shows of an incident.
func (in Incident) has(words []string) bool {
	text := strings.ToLower(strings.Join(slices.Concat(
		[]string{in.ID, in.Rule, in.Title, in.Thing.String(), in.Thing.Namespace}, in.Namespaces, in.Nodes, in.Images, in.Workloads), "\n"))
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}
