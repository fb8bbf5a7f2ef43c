// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"time"
)

// A Tallied is a death as it is counted by metrics.
type Tallied struct {
	Kind      Kind
	Namespace string
	Rule      string // "" where none explains it
	Missing   string // why there is no evidence, or not all of it
	Counted   bool   // only its number is known
	Lag       time.Duration
}

// Tally returns what was recorded of a cluster after a place, in its order and up to a moment, and the place behind it.
// What is returned once is not returned again, so that counting it is exact. A place below zero is the end: nothing is
// returned but where that is.
func (s *Store) Tally(ctx context.Context, cluster string, after int64, until time.Time) ([]Tallied, int64, error) {
	if after < 0 {
		err := s.reads.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM deaths`).Scan(&after)
		return nil, after, s.explain("read", err)
	}
	var all []Tallied
	stop, most := false, int64(0)
	err := s.reads.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM deaths`).Scan(&most)
	if err != nil || most < after { // retention took the last ones, and SQLite gives their numbers to the next
		return nil, min(after, most), s.explain("read", err)
	}
	err = s.query(ctx, s.reads, func(scan func(...any) error) error {
		var t Tallied
		var id, rank, finished, seen int64
		var of string
		if err := scan(&id, &t.Kind, &t.Namespace, &t.Rule, &t.Missing, &rank, &finished, &seen, &of); err != nil {
			return err
		}
		if stop = stop || seen > micros(until); stop {
			return nil
		}
		after = id
		if t.Counted = rank == counted; finished > 0 {
			t.Lag = time.Duration(max(seen-finished, 0)) * time.Microsecond
		}
		if of == cluster {
			all = append(all, t)
		}
		return nil
	}, `SELECT d.id, d.kind, p.namespace, d.rule, d.missing, d.rank, `+finishedOf+`, d.seen, c.uid
		FROM deaths d JOIN pods p ON p.id = d.pod JOIN clusters c ON c.id = p.cluster WHERE d.id > $1 ORDER BY d.id LIMIT 5000`, after)
	return all, after, s.explain("read", err)
}

// Vital is what there is to watch of a history at one moment.
type Vital struct {
	Open, Quiet int       // incidents
	Unsettled   int       // deaths whose verdict is yet to come or provisional
	Oldest      time.Time // when the first of those ended
	Gaps        int       // times in which something was not seen, of the last day
	Untold      int       // notices that wait
	Due         time.Time // since when the oldest of them does, or when it will be tried
	Bytes       int64     // that the history takes
}

// Vital returns figures of one cluster; notices and size are of the whole history.
func (s *Store) Vital(ctx context.Context, cluster string) (Vital, error) {
	var v Vital
	var oldest int64
	day := micros(s.options.Now().Add(-24 * time.Hour))
	const own = `(SELECT id FROM clusters WHERE uid = $1)`
	const waiting = `FROM deaths d JOIN pods p ON p.id = d.pod WHERE d.rank IN (1, 2) AND p.cluster = ` + own
	err := s.reads.QueryRowContext(ctx, `SELECT
		(SELECT COUNT(*) FROM incidents WHERE state = 0 AND cluster = `+own+`), (SELECT COUNT(*) FROM incidents WHERE state = 1 AND cluster = `+own+`),
		(SELECT COUNT(*) `+waiting+`), (SELECT COALESCE(MIN(d.at), 0) `+waiting+`),
		(SELECT COUNT(*) FROM gaps WHERE began > $2 AND what NOT LIKE $3 AND cluster = `+own+`)`, clean(cluster, maxName), day, Beyond+"%").
		Scan(&v.Open, &v.Quiet, &v.Unsettled, &oldest, &v.Gaps)
	if err != nil {
		return v, s.explain("read", err)
	}
	v.Oldest = fromMicros(oldest)
	if v.Untold, v.Due, err = s.Untaken(ctx); err != nil {
		return v, err
	}
	v.Bytes, err = s.Size(ctx)
	return v, err
}
