// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
)

// prunings are so many times atOnce names that one retention looks at: the next goes on behind them.
const prunings = 4

// prune forgets names of nodes, images and workloads that nothing has any more.
func (s *Store) prune(ctx context.Context) error {
	for range prunings {
		var last int64
		var more bool
		err := s.do(ctx, func(t *txn) (err error) {
			last, more, err = t.prune(s.pruned.Load())
			return err
		})
		if err != nil {
			return err
		}
		if s.pruned.Store(last); !more {
			return nil
		}
	}
	return nil
}

// prune looks at the names behind one, and returns the last of them, 0 where there are no more. What shares list are words of
// the index; one that is yet to be written in this transaction gives its names rows by then.
func (t *txn) prune(after int64) (last int64, more bool, err error) {
	ids, err := t.numbers(`SELECT id FROM names WHERE id > $1 ORDER BY id LIMIT 500`, after)
	if err != nil || len(ids) == 0 {
		return 0, false, err
	}
	last = ids[len(ids)-1]
	unused := map[int64]string{}
	err = t.each(func(scan func(...any) error) error {
		var id int64
		var name string
		err := scan(&id, &name)
		unused[id] = name
		return err
	}, `SELECT id, name FROM names n WHERE id > $1 AND id <= $2 AND NOT EXISTS (SELECT 1 FROM deaths WHERE node = n.id)
		AND NOT EXISTS (SELECT 1 FROM deaths WHERE image = n.id)`, after, last)
	for id, name := range unused {
		if err != nil {
			return 0, false, err
		}
		err = t.pruneName(id, name)
	}
	if len(ids) < atOnce {
		last = 0
	}
	return last, last != 0, err
}

func (t *txn) pruneName(id int64, name string) error {
	var q query
	matches := t.store.indexed(&q, []word{{any: []string{tag("node", name), tag("image", name), tag("workload", name)}}}, 0)
	listed, err := t.numbers(matches+q.limit(1), q.args...)
	if err != nil || len(listed) > 0 {
		return err
	}
	return t.exec(`DELETE FROM names WHERE id = $1`, id)
}
