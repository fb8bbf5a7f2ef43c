// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"fmt"
	"time"
)

// A Notice is one thing that one target is to be told: that an incident opened, reopened or closed. Its key is the same
// each time it is tried.
type Notice struct {
	ID       int64
	Incident string
	State    State // StateOpen or StateClosed
	Reopened int   // which opening it is, from 0
	Target   string
	Key      string
	Tries    int // this one included
}

// The delays between tries.
const (
	firstDelay   = 5 * time.Second
	longestDelay = 30 * time.Minute
)

// announce puts a state of an incident into the outbox, once for each target.
func (t *txn) announce(in *incident, state State) error {
	for _, target := range t.store.options.Targets {
		err := t.exec(`INSERT INTO outbox (incident, round, state, target, due, tries, done, fault) VALUES ($1, $2, $3, $4, $5, 0, 0, '')
			ON CONFLICT (incident, round, state, target) DO NOTHING`,
			in.id, in.round, state, clean(target, maxName), micros(t.now.Add(t.store.options.Hold)))
		if err != nil {
			return err
		}
	}
	return nil
}

// Take hands out at most so many notices that are due, the oldest first, and none of them again within the lease.
func (s *Store) Take(ctx context.Context, most int, lease time.Duration) ([]Notice, error) {
	var taken []Notice
	err := s.do(ctx, func(t *txn) error {
		taken = nil
		return t.each(func(scan func(...any) error) error {
			var n Notice
			err := scan(&n.ID, &n.Incident, &n.State, &n.Reopened, &n.Target, &n.Tries)
			n.Key = fmt.Sprintf("%s/%d/%s", n.Incident, n.Reopened, n.State)
			taken = append(taken, n)
			return err
		}, `UPDATE outbox SET due = $1, tries = tries + 1
			WHERE id IN (SELECT id FROM outbox WHERE done = 0 AND due <= $2 ORDER BY due, id LIMIT $3) AND done = 0 AND due <= $2
			RETURNING id, (SELECT ref FROM incidents WHERE incidents.id = outbox.incident), state, round, target, tries`,
			micros(t.now.Add(lease)), micros(t.now), most)
	})
	return taken, err
}

// Told acknowledges notices: they are not handed out again, whatever happens to this process.
func (s *Store) Told(ctx context.Context, ids ...int64) error {
	return s.do(ctx, func(t *txn) error {
		for _, id := range ids {
			if err := t.exec(`UPDATE outbox SET done = $1, fault = '' WHERE id = $2`, micros(t.now), id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Untold gives a notice back that could not be delivered. It is tried again, each time after twice as long.
func (s *Store) Untold(ctx context.Context, n Notice, why string) error {
	delay := longestDelay
	if n.Tries < 12 {
		delay = min(firstDelay<<max(n.Tries-1, 0), longestDelay)
	}
	return s.do(ctx, func(t *txn) error {
		return t.exec(`UPDATE outbox SET due = $1, fault = $2 WHERE id = $3 AND done = 0`,
			micros(t.now.Add(delay)), clean(why, maxWord), n.ID)
	})
}

// Untaken returns how many notices wait, and since when the oldest of them is due; for metrics.
func (s *Store) Untaken(ctx context.Context) (waiting int, oldest time.Time, err error) {
	var due int64
	err = s.reads.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MIN(due), 0) FROM outbox WHERE done = 0`).Scan(&waiting, &due)
	return waiting, fromMicros(due), s.explain("read", err)
}
