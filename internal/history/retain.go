// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"errors"
	"time"
)

// A Retention says what is kept. What is zero is no bound.
type Retention struct {
	Age    time.Duration // of deaths, closed incidents and gaps
	Events time.Duration // the age of Kubernetes Events; Age where it is zero
	Bytes  int64         // of the whole history: the oldest deaths and Events go first
}

// Removed is what a retention took.
type Removed struct{ Deaths, Incidents, Events, Gaps int }

const (
	atOnce    = 500       // rows in one transaction, so that nobody waits long
	keptYoung = time.Hour // deaths younger than that are kept, however large the history is
)

// Retain removes what is too old or too much. An incident that lives on keeps its counts when old deaths of it are
// removed; a pod whose deaths were all removed counts anew when it dies again.
func (s *Store) Retain(ctx context.Context, now time.Time, r Retention) (Removed, error) {
	var sum Removed
	if r.Age > 0 {
		if err := s.removeBefore(ctx, now.Add(-r.Age), &sum); err != nil {
			return sum, err
		}
		before := micros(now.Add(-r.Age))
		err := s.removeAll(ctx, &sum.Gaps, `DELETE FROM gaps WHERE id IN (SELECT id FROM gaps WHERE ended < $1 AND ended > 0 AND began < $1 LIMIT 500)`, before)
		if err != nil {
			return sum, err
		}
	}
	if r.Events == 0 {
		r.Events = r.Age
	}
	if r.Events > 0 {
		if err := s.removeEvents(ctx, micros(now.Add(-r.Events)), &sum); err != nil {
			return sum, err
		}
	}
	if r.Bytes > 0 {
		if err := s.fit(ctx, now, r.Bytes, &sum); err != nil {
			return sum, err
		}
	}
	return sum, errors.Join(s.prune(ctx), s.shrink(ctx))
}

// oldest is the time of the last of the thousand oldest deaths and Events; -1 where there are none.
const oldest = `SELECT COALESCE(MAX(at), -1) FROM (SELECT at FROM (SELECT * FROM (SELECT at FROM deaths ORDER BY at LIMIT 1000) d
	UNION ALL SELECT * FROM (SELECT last AS at FROM events ORDER BY last LIMIT 1000) e) things ORDER BY at LIMIT 1000) first_ones`

// removeEvents removes what was last told before a moment.
func (s *Store) removeEvents(ctx context.Context, before int64, sum *Removed) error {
	return s.removeAll(ctx, &sum.Events, `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE last < $1 ORDER BY last LIMIT 500)`, before)
}

// fit removes the oldest deaths and Events until the history is small enough.
func (s *Store) fit(ctx context.Context, now time.Time, bytes int64, sum *Removed) error {
	for {
		size, err := s.Size(ctx)
		if err != nil || size <= bytes {
			return err
		}
		var until int64
		if err := s.reads.QueryRowContext(ctx, oldest).Scan(&until); err != nil {
			return s.explain("read", err)
		}
		before := fromMicros(until + 1)
		if until < 0 || before.After(now.Add(-keptYoung)) {
			return nil
		}
		if err := s.removeBefore(ctx, before, sum); err != nil {
			return err
		}
		if err := s.removeEvents(ctx, until+1, sum); err != nil {
			return err
		}
	}
}

// removeBefore removes deaths, and closed incidents that had none since.
func (s *Store) removeBefore(ctx context.Context, before time.Time, sum *Removed) error {
	for n := atOnce; n == atOnce; {
		err := s.do(ctx, func(t *txn) (err error) {
			n, err = t.trim(micros(before))
			return err
		})
		if err != nil {
			return err
		}
		sum.Deaths += n
	}
	for n := atOnce; n == atOnce; {
		err := s.do(ctx, func(t *txn) (err error) {
			n, err = t.removeIncidents(micros(before))
			return err
		})
		if err != nil {
			return err
		}
		sum.Incidents += n
	}
	return nil
}

// trim removes the oldest deaths before a moment.
func (t *txn) trim(before int64) (int, error) {
	var deaths, pods, shares []int64
	err := t.each(func(scan func(...any) error) error {
		var death, pod, share int64
		err := scan(&death, &pod, &share)
		deaths, pods, shares = append(deaths, death), append(pods, pod), append(shares, share)
		return err
	}, `SELECT id, pod, COALESCE(share, 0) FROM deaths WHERE at < $1 ORDER BY at, id LIMIT 500`, before)
	if err != nil {
		return 0, err
	}
	for i, id := range deaths {
		if err := t.shrinkShare(shares[i], id); err != nil {
			return 0, err
		}
		gone, err := t.unlink(id)
		if err != nil {
			return 0, err
		}
		var pack, message int64
		if _, err := t.row([]any{&pack, &message}, `DELETE FROM deaths WHERE id = $1 RETURNING COALESCE(pack, 0), COALESCE(message, 0)`, id); err != nil {
			return 0, err
		}
		if err := t.drop(append(gone, pack)); err != nil {
			return 0, err
		}
		if err := t.dropMessage(message); err != nil {
			return 0, err
		}
	}
	for _, pod := range pods {
		err := t.exec(`DELETE FROM pods WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM deaths WHERE pod = $1)
			AND NOT EXISTS (SELECT 1 FROM ended WHERE pod = $1)`, pod)
		if err != nil {
			return 0, err
		}
	}
	return len(deaths), nil
}

// trimmedLead stands for a death that gave a title and was removed.
const trimmedLead = -1

// shrinkShare notes that a death of a share is about to be removed. Its title is that of a death as long as that is there.
func (t *txn) shrinkShare(share, death int64) error {
	if share == 0 {
		return nil
	}
	sh, err := t.share(share)
	if err != nil {
		return err
	}
	if sh.lead == death {
		sh.lead = trimmedLead
	}
	sh.trimmed++
	sh.dirty, sh.in.dirty = true, true
	return nil
}

func (t *txn) removeIncidents(before int64) (int, error) {
	ids, err := t.numbers(`SELECT id FROM incidents WHERE state = $1 AND last < $2 ORDER BY last LIMIT 500`, StateClosed, before)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		shares, err := t.numbers(`SELECT id FROM shares WHERE incident = $1`, id)
		if err != nil {
			return 0, err
		}
		for _, share := range shares {
			if err := t.unindex(share); err != nil {
				return 0, err
			}
		}
		for _, query := range []string{
			`UPDATE deaths SET share = NULL WHERE share IN (SELECT id FROM shares WHERE incident = $1)`,
			`DELETE FROM shares WHERE incident = $1`, `DELETE FROM outbox WHERE incident = $1`, `DELETE FROM incidents WHERE id = $1`,
		} {
			if err := t.exec(query, id); err != nil {
				return 0, err
			}
		}
	}
	return len(ids), nil
}

// removeAll repeats a statement until it finds less than it takes at once.
func (s *Store) removeAll(ctx context.Context, sum *int, query string, before int64) error {
	for n := int64(atOnce); n == atOnce; {
		err := s.do(ctx, func(t *txn) (err error) {
			n, err = t.count(query, before)
			return err
		})
		if err != nil {
			return err
		}
		*sum += int(n)
	}
	return nil
}

func (s *Store) shrink(ctx context.Context) error {
	return s.do(ctx, func(t *txn) error {
		return t.each(func(func(...any) error) error { return nil }, s.dialect.shrink)
	})
}

// tidyPages are merged in one transaction, so that nobody waits long.
const tidyPages = 500

// Tidy puts the search index in order: what was written at different times is merged, and what was removed is left out of it. A search for
// the beginning of a word reads all that begins so. See https://www.sqlite.org/fts5.html#the_merge_command.
func (s *Store) Tidy(ctx context.Context) error {
	if s.dialect.tidy == "" {
		return nil
	}
	for pages := -tidyPages; ; pages = tidyPages {
		var before, after int64
		err := s.do(ctx, func(t *txn) error {
			const changes = `SELECT total_changes()`
			if _, err := t.row([]any{&before}, changes); err != nil {
				return err
			}
			if err := t.exec(s.dialect.tidy, pages); err != nil {
				return err
			}
			_, err := t.row([]any{&after}, changes)
			return err
		})
		if err != nil || after-before < 2 {
			return err
		}
	}
}
