// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Incidents are a page of incidents. Next is the cursor of the page behind it, empty at the end.
type Incidents struct {
	Items []Incident
	Next  string
}

// Incidents lists incidents as far as the asker may see them: the one with the latest death first, or, where something
// is searched for by words, rule, node, image or workload, the one that opened last.
func (s *Store) Incidents(ctx context.Context, f Filter) (Incidents, error) {
	c, err := parseCursor(f.Cursor)
	if err != nil || f.none() {
		return Incidents{}, err
	}
	within := f
	if f.Within != "" {
		if f.Namespaces != nil && !slices.Contains(f.Namespaces, f.Within) {
			return Incidents{}, nil
		}
		within.Namespaces = []string{f.Within}
	}
	find := s.listed
	if f.searches() {
		find = s.searched
	}
	places, err := find(ctx, &within, c)
	if err != nil {
		return Incidents{}, s.explain("read", err)
	}
	var page Incidents
	if n := f.limit(); len(places) > n {
		places, page.Next = places[:n], places[n-1].String()
	}
	page.Items, err = s.load(ctx, places, f.Namespaces, f.Named)
	return page, s.explain("read", err)
}

// Incident returns one incident as far as the asker may see it; ErrNotFound where that is nothing.
func (s *Store) Incident(ctx context.Context, id string, allowed []string) (Incident, error) {
	var n int64
	err := s.query(ctx, s.reads, func(scan func(...any) error) error { return scan(&n) }, `SELECT id FROM incidents WHERE ref = $1`, clean(id, maxName))
	if err != nil || n == 0 {
		return Incident{}, s.explain("read", cmp.Or(err, ErrNotFound))
	}
	found, err := s.load(ctx, []place{{incident: n}}, allowed, false)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Incident{}, s.explain("read", err)
	}
	return found[0], nil
}

// A place is an incident with its cursor.
type place struct {
	cursor
	incident int64
}

// mostBranches bounds one statement: SQLite takes 500 parts.
const mostBranches = 90

// listed reads along the index of state and time. One that has shares in two of the asker's namespaces is listed by the
// latest of them.
func (s *Store) listed(ctx context.Context, f *Filter, c cursor) ([]place, error) {
	var places []place
	for {
		some, more, err := s.branches(ctx, f, c)
		if err != nil {
			return nil, err
		}
		latest, err := s.latest(ctx, f, some)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			if latest == nil || latest[p.incident] == p.at {
				places = append(places, p)
			}
		}
		if !more || len(places) > f.limit() {
			return places, nil
		}
		c = some[len(some)-1].cursor
	}
}

// latest returns when each incident had its last death that the asker may see; nil where each can be listed once only.
func (s *Store) latest(ctx context.Context, f *Filter, places []place) (map[int64]int64, error) {
	if len(f.Namespaces) < 2 || len(places) == 0 {
		return nil, nil
	}
	all := map[int64]int64{}
	for _, namespaces := range inParts(f.Namespaces) {
		var q query
		q.incidents("incident", places)
		q.among("namespace", namespaces)
		err := s.query(ctx, s.reads, func(scan func(...any) error) error {
			var id, last int64
			err := scan(&id, &last)
			all[id] = max(all[id], last)
			return err
		}, `SELECT incident, MAX(last) FROM shares`+q.text()+` GROUP BY incident`, q.args...)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// branches reads once for each state and namespace, and merges; more tells whether there may be others behind them.
func (s *Store) branches(ctx context.Context, f *Filter, c cursor) (places []place, more bool, err error) {
	var branches [][2]any // state, namespace
	for _, state := range f.states() {
		if f.Namespaces == nil {
			branches = append(branches, [2]any{state, nil})
		}
		for _, namespace := range f.Namespaces {
			branches = append(branches, [2]any{state, clean(namespace, maxName)})
		}
	}
	for some := range slices.Chunk(branches, mostBranches) {
		var all query
		var text []string
		for i, b := range some {
			text = append(text, fmt.Sprintf("SELECT * FROM (%s) b%d", all.branch(f, c, b[0], b[1]), i))
		}
		err = s.query(ctx, s.reads, func(scan func(...any) error) error {
			var p place
			err := scan(&p.incident, &p.at)
			p.id = p.incident
			places = append(places, p)
			return err
		}, strings.Join(text, " UNION ALL ")+" ORDER BY last DESC, id DESC"+all.limit(f.limit()+1), all.args...)
		if err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.id, a.id)) })
	more = len(places) > f.limit()
	places = slices.Compact(places[:min(len(places), f.limit()+1)])
	return places, more, nil
}

func (f *Filter) states() []State {
	if len(f.States) == 0 {
		return []State{StateOpen, StateQuiet, StateClosed}
	}
	states := slices.Clone(f.States)
	slices.Sort(states)
	return slices.Compact(states)
}

// branch is the part of a list with one state and one namespace, nil for all.
func (q *query) branch(f *Filter, c cursor, state, namespace any) string {
	b := query{args: q.args}
	from, id := "incidents s", "s.id"
	b.where("s.state = %s", state)
	if namespace != nil {
		from, id = "shares s", "s.incident"
		b.where("s.namespace = %s", namespace)
	}
	if f.Cluster != "" {
		b.where("(SELECT c.uid FROM clusters c JOIN incidents i ON i.cluster = c.id WHERE i.id = "+id+") = %s", clean(f.Cluster, maxName))
	}
	if !f.From.IsZero() {
		b.where("s.last >= %s", micros(f.From))
	}
	if !f.To.IsZero() {
		b.where("s.first < %s", micros(f.To))
	}
	b.after("s.last", id, c)
	q.args = b.args
	return "SELECT " + id + " AS id, s.last FROM " + from + b.text() + " ORDER BY s.last DESC, " + id + " DESC" + b.limit(f.limit()+1)
}

func (f *Filter) searches() bool {
	return f.Text != "" || f.Rule != "" || f.Node != "" || f.Image != "" || f.Workload.Name != ""
}

// words are what the index is asked for. That an asker may see what is found is checked again by its namespace.
func (f *Filter) words() []word {
	words := asked(f.Text)
	if f.Text != "" && len(words) == 0 {
		return nil
	}
	add := func(kind, value string) {
		if value != "" {
			words = append(words, word{any: []string{tag(kind, value)}})
		}
	}
	add("rule", clean(f.Rule, maxName))
	add("node", clean(f.Node, maxName))
	add("image", clean(f.Image, maxWord))
	if w := cleanRef(f.Workload); w.Name != "" {
		add("workload", w.Kind+"/"+w.Name)
	}
	if !slices.Contains(f.states(), StateClosed) {
		words = append(words, word{any: []string{live}})
	}
	if n := len(f.Namespaces); n > 0 && n <= mostListed {
		var either []string
		for _, namespace := range f.Namespaces {
			either = append(either, tag("namespace", clean(namespace, maxName)))
		}
		words = append(words, word{any: either})
	}
	return words
}

// searched asks the index, which has shares in the order in which they opened: era by era where it is asked for text, as a whole where not.
func (s *Store) searched(ctx context.Context, f *Filter, c cursor) ([]place, error) {
	words := f.words()
	if len(words) == 0 {
		return nil, nil
	}
	first, last, err := s.eras(ctx, words, c)
	found := finding{words: words, page: c.id, seen: map[int64]bool{}}
	if err == nil {
		found.crowds, err = s.crowds(ctx, f, words)
	}
	for era := last; err == nil && era >= first && len(found.places) <= f.limit(); era-- {
		err = s.find(ctx, f, &found, era)
	}
	return found.places, err
}

// eras returns which eras there are before a cursor; one where words are the same in all.
func (s *Store) eras(ctx context.Context, words []word, c cursor) (first, last int64, err error) {
	if !slices.ContainsFunc(words, func(w word) bool { return w.text }) {
		return 0, 0, nil
	}
	err = s.reads.QueryRowContext(ctx, `SELECT COALESCE((SELECT id FROM shares ORDER BY id LIMIT 1), 0),
		COALESCE((SELECT id FROM shares ORDER BY id DESC LIMIT 1), 0)`).Scan(&first, &last)
	if c.id != 0 {
		last = min(last, c.id-1)
	}
	return first >> s.eraBits, last >> s.eraBits, err
}

// A finding is what a search has found so far.
type finding struct {
	words  []word
	crowds []crowd
	page   int64 // the share that the pages before end with, 0 for none
	seen   map[int64]bool
	places []place
}

// find adds what is found in an era.
func (s *Store) find(ctx context.Context, f *Filter, to *finding, era int64) error {
	for at := cmp.Or(to.page, int64(math.MaxInt64)); ; {
		found, err := s.matching(ctx, f, to, era, at)
		if err != nil {
			return err
		}
		for _, p := range found {
			shown := to.seen[p.incident]
			if !shown && p.earlier {
				if shown, err = s.shown(ctx, f, to, p.incident); err != nil {
					return err
				}
			}
			if to.seen[p.incident] = true; !shown {
				to.places = append(to.places, p.place)
			}
		}
		if len(found) <= f.limit() || len(to.places) > f.limit() {
			return nil
		}
		at = found[len(found)-1].id
	}
}

// A match is a share that is found.
type match struct {
	place
	earlier bool // something of its incident may be on the pages before
}

// matching returns what is found of an era behind a share, in the order of the index.
func (s *Store) matching(ctx context.Context, f *Filter, to *finding, era, behind int64) ([]match, error) {
	var q query
	matches := s.matches(&q, to, era)
	q.conditions = append(q.conditions, "s.id = m.share")
	q.where("m.share < %s", behind)
	q.among("s.namespace", f.Namespaces)
	if len(f.States) > 0 {
		var states []string
		for _, state := range f.states() {
			states = append(states, q.arg(state))
		}
		q.conditions = append(q.conditions, "s.state IN ("+strings.Join(states, ", ")+")")
	}
	if f.Workload.Namespace != "" {
		q.where("s.namespace = %s", clean(f.Workload.Namespace, maxName))
	}
	if f.Cluster != "" {
		q.where("(SELECT c.uid FROM clusters c JOIN incidents i ON i.cluster = c.id WHERE i.id = s.incident) = %s", clean(f.Cluster, maxName))
	}
	if !f.From.IsZero() {
		q.where("s.last >= %s", micros(f.From))
	}
	if !f.To.IsZero() {
		q.where("s.first < %s", micros(f.To))
	}
	before := q.arg(cmp.Or(to.page, int64(math.MaxInt64)))
	var found []match
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var m match
		var n int
		err := scan(&m.id, &m.incident, &n)
		m.earlier = n > 0
		found = append(found, m)
		return err
	}, `SELECT s.id, s.incident, (SELECT COUNT(*) FROM shares o WHERE o.incident = s.incident AND o.id >= `+before+`)
		FROM (`+matches+`) m CROSS JOIN shares s`+q.text()+` ORDER BY m.share DESC`+q.limit(f.limit()+1), q.args...)
	return found, err
}

// shown tells whether an incident is on a page before, by what of it lies in another namespace.
func (s *Store) shown(ctx context.Context, f *Filter, to *finding, incident int64) (bool, error) {
	var before query
	before.where("o.incident = %s", incident)
	before.where("o.id >= %s", to.page)
	before.among("o.namespace", f.Namespaces)
	eras := map[int64]bool{}
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		eras[id>>s.eraBits] = true
		return err
	}, `SELECT o.id FROM shares o`+before.text(), before.args...)
	shown := false
	for era := range eras {
		if err != nil || shown {
			break
		}
		var q query
		matches := s.matches(&q, to, era)
		q.where("o.incident = %s", incident)
		q.where("o.id >= %s", to.page)
		q.among("o.namespace", f.Namespaces)
		err = s.query(ctx, s.reads, func(scan func(...any) error) error {
			var id int64
			shown = true
			return scan(&id)
		}, `SELECT o.id FROM shares o JOIN (`+matches+`) m ON m.share = o.id`+q.text()+q.limit(1), q.args...)
	}
	return shown, err
}
