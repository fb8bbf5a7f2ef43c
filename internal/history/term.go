// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"errors"
)

// ErrDeposed is that another replica leads, in a later term: what this one has to write is not taken, however late it comes.
var ErrDeposed = errors.New("another replica leads by now")

// A reign is the term in which this process leads.
type reign struct {
	cluster string
	term    int64 // 0: it does not lead
}

// Lead begins a term: from its commit on, what is written in an earlier one is refused with ErrDeposed, and so is this term
// where a later one has begun. Terms are numbers that grow with each leader, whoever hands them out. A history that was opened with
// Options.Led takes writes in a term only.
func (s *Store) Lead(ctx context.Context, cluster string, term int64) error {
	next := reign{clean(cluster, maxName), term}
	err := s.send(ctx, &job{reign: next, run: func(t *txn) error {
		id, err := t.clusterID(next.cluster)
		if err != nil {
			return err
		}
		return t.exec(`INSERT INTO terms (cluster, term) VALUES ($1, $2) ON CONFLICT (cluster) DO UPDATE SET term = excluded.term
			WHERE terms.term < excluded.term`, id, term)
	}})
	if err == nil {
		s.reign.Store(&next)
	}
	return err
}

// Follow ends the term of this process: nothing is written until it leads again.
func (s *Store) Follow() { s.reign.Store(&reign{}) }

// led returns the term that a job is written in; ErrDeposed where there has to be one and is none.
func (s *Store) led() (reign, error) {
	now := s.reign.Load()
	if now == nil {
		now = &reign{}
	}
	if now.term == 0 && s.options.Led {
		return *now, ErrDeposed
	}
	return *now, nil
}

// obey checks in the transaction itself that no job comes too late: who writes in the next term waits for its end.
func (t *txn) obey(jobs []*job) error {
	seen := map[reign]bool{}
	for _, j := range jobs {
		if j.reign.term == 0 || seen[j.reign] {
			continue
		}
		seen[j.reign] = true
		var later int
		found, err := t.row([]any{&later}, `SELECT 1 FROM terms t JOIN clusters c ON c.id = t.cluster WHERE c.uid = $1 AND t.term > $2`,
			j.reign.cluster, j.reign.term)
		if err != nil {
			return err
		}
		if found {
			return ErrDeposed
		}
	}
	return nil
}
