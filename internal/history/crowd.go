// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"fmt"
	"maps"
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
		err := t.exec(`INSERT INTO crowds (name, share, namespace) SELECT DISTINCT LOWER(p.name), d.share, p.namespace FROM deaths d JOIN pods p ON p.id = d.pod
			WHERE d.share = $1 ON CONFLICT DO NOTHING`, sh.id)
		if err != nil {
			return err
		}
	}
	return t.exec(`INSERT INTO crowds (name, share, namespace) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, strings.ToLower(pod), sh.id, sh.namespace)
}

// leave forgets the names of pods of which a share has no death any more. Where some of its deaths were removed for their age, whose they
// were is known by those names alone.
func (t *txn) leave(sh *share) error {
	if sh.trimmed != 0 {
		return nil
	}
	return t.exec(`DELETE FROM crowds WHERE share = $1 AND name NOT IN
		(SELECT LOWER(p.name) FROM deaths d JOIN pods p ON p.id = d.pod WHERE d.share = $1)`, sh.id)
}

// unindex forgets what a share is found by.
func (t *txn) unindex(share int64) error {
	if err := t.exec(t.store.dialect.unindex, share); err != nil {
		return err
	}
	return t.exec(`DELETE FROM crowds WHERE share = $1`, share)
}

// A crowd is shares with many pods that have the same words of a search as names of these. The index is asked for the rest.
type crowd struct {
	shares []int64
	rest   []word
}

// crowds finds shares by those of some words that are names of pods in one that has many.
func (s *Store) crowds(ctx context.Context, f *Filter, words []word) ([]crowd, error) {
	named := map[int64]int{} // which words, a bit each
	for i, w := range words {
		found, err := s.withPod(ctx, f, w)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			named[id] |= 1 << i
		}
	}
	alike := map[int]*crowd{}
	for id, bits := range named {
		if alike[bits] == nil {
			alike[bits] = &crowd{}
			for i, w := range words {
				if bits&(1<<i) == 0 {
					alike[bits].rest = append(alike[bits].rest, w)
				}
			}
		}
		alike[bits].shares = append(alike[bits].shares, id)
	}
	var all []crowd
	for _, bits := range slices.Sorted(maps.Keys(alike)) {
		all = append(all, *alike[bits])
	}
	return all, nil
}

// withPod returns the shares that have a pod of a name, or one that begins so. What the asker may not see has no part in it: neither is it
// found, nor is anything of his not found because there is much of it.
func (s *Store) withPod(ctx context.Context, f *Filter, w word) ([]int64, error) {
	if !w.text {
		return nil, nil
	}
	q, text := f.withPod(w)
	var found []int64
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		found = append(found, id)
		return err
	}, text, q.args...)
	return found, err
}

// withPod is a query for them. It reads the names of the asker's namespaces alone, however many there are in others.
func (f *Filter) withPod(w word) (q query, text string) {
	name := strings.TrimPrefix(w.any[0], mark)
	end := name
	if w.prefix {
		end += string(rune(0x10ffff))
	}
	q.among("namespace", f.Namespaces)
	q.where("name >= %s", name)
	q.where("name <= %s", end)
	return q, `SELECT DISTINCT share FROM (SELECT share FROM crowds` + q.text() + ` LIMIT ` + q.arg(mostAlike) + `) alike
		ORDER BY share DESC LIMIT ` + q.arg(mostCrowds)
}

// matches is a query for the shares of an era that have all words of a search, each by the index or as the name of a pod.
func (s *Store) matches(q *query, f *finding, era int64) string {
	all := []string{s.indexed(q, f.words, era)}
	for _, c := range f.crowds {
		var list []string
		for _, id := range c.shares {
			if id>>s.eraBits == era {
				list = append(list, q.arg(id))
			}
		}
		if len(list) == 0 {
			continue
		}
		named := `SELECT id FROM shares WHERE id IN (` + strings.Join(list, ", ") + `)`
		if len(c.rest) > 0 {
			named += ` AND id IN (` + s.indexed(q, c.rest, era) + `)`
		}
		all = append(all, named)
	}
	return strings.Join(all, " UNION ")
}

// indexed is a query for what the index has of an era.
func (s *Store) indexed(q *query, words []word, era int64) string {
	return fmt.Sprintf(s.dialect.matches, q.arg(s.dialect.query(words, era)))
}
