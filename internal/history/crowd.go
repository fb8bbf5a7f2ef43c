// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	// mostIndexed is how many pods of a share the index names. To index a share costs what all its words cost, and in a storm it would
	// be done for each of thousands of pods: those of one with more are in a table by themselves, which is asked beside the index.
	mostIndexed = 24
	// mostCrowds is in how many shares pods of one name are looked for, and mostAlike how many names one beginning may have: what more
	// names begin with is, as the name of their workload, in the index.
	mostCrowds, mostAlike = 1000, 10_000
)

// join notes a pod that came to a share. When it is one too many for the index, all are noted.
func (t *txn) join(sh *share, pod string) error {
	if sh.pods <= mostIndexed {
		return nil
	}
	if sh.pods == mostIndexed+1 {
		err := t.exec(`INSERT INTO crowds (name, share) SELECT DISTINCT LOWER(p.name), d.share FROM deaths d JOIN pods p ON p.id = d.pod
			WHERE d.share = $1 ON CONFLICT DO NOTHING`, sh.id)
		if err != nil {
			return err
		}
	}
	return t.exec(`INSERT INTO crowds (name, share) VALUES ($1, $2) ON CONFLICT DO NOTHING`, strings.ToLower(pod), sh.id)
}

// unindex forgets what a share is found by.
func (t *txn) unindex(share int64) error {
	if err := t.exec(t.store.dialect.unindex, share); err != nil {
		return err
	}
	return t.exec(`DELETE FROM crowds WHERE share = $1`, share)
}

// A crowd is the shares with many pods that have those which a search names, and the other words of the search.
type crowd struct {
	shares []int64
	rest   []word
}

// crowd finds shares by those of some words that are names of pods in one that has many.
func (s *Store) crowd(ctx context.Context, words []word) (crowd, error) {
	var c crowd
	named := false
	for _, w := range words {
		found, err := s.withPod(ctx, w)
		switch {
		case err != nil:
			return c, err
		case len(found) == 0:
			c.rest = append(c.rest, w)
		case named:
			c.shares = slices.DeleteFunc(c.shares, func(id int64) bool { return !slices.Contains(found, id) })
		default:
			c.shares, named = found, true
		}
	}
	return c, nil
}

// withPod returns the shares that have a pod of a name, or one that begins so.
func (s *Store) withPod(ctx context.Context, w word) ([]int64, error) {
	if !w.text {
		return nil, nil
	}
	name := strings.TrimPrefix(w.any[0], mark)
	end := name
	if w.prefix {
		end += string(rune(0x10ffff))
	}
	var q query
	first, last := q.arg(name), q.arg(end)
	var found []int64
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		found = append(found, id)
		return err
	}, `SELECT DISTINCT share FROM (SELECT share FROM crowds WHERE name >= `+first+` AND name <= `+last+` LIMIT `+q.arg(mostAlike)+`) alike
		ORDER BY share DESC LIMIT `+q.arg(mostCrowds), q.args...)
	return found, err
}

// matches is a query for the shares of an era that have all words of a search.
func (s *Store) matches(q *query, f *finding, era int64) string {
	text := s.indexed(q, f.words, era)
	var list []string
	for _, id := range f.crowd.shares {
		if id>>s.eraBits == era {
			list = append(list, q.arg(id))
		}
	}
	if len(list) == 0 {
		return text
	}
	text += ` UNION SELECT id FROM shares WHERE id IN (` + strings.Join(list, ", ") + `)`
	if len(f.crowd.rest) > 0 {
		text += ` AND id IN (` + s.indexed(q, f.crowd.rest, era) + `)`
	}
	return text
}

// indexed is a query for what the index has of an era.
func (s *Store) indexed(q *query, words []word, era int64) string {
	return fmt.Sprintf(s.dialect.matches, q.arg(s.dialect.query(words, era)))
}
