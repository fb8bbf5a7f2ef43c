// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"time"
)

// mostSwept is how many incidents one transaction moves.
const mostSwept = 500

// Sweep moves incidents that had no death for long: open ones become quiet, quiet ones closed. It is to be called every
// few seconds by whoever writes.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	for done := false; !done; {
		err := s.do(ctx, func(t *txn) error {
			closed, err := t.sweep(`state < $1 AND last < $2`, StateClosed, now.Add(-s.options.Close))
			if err != nil {
				return err
			}
			quiet, err := t.sweep(`state = $1 - 1 AND last < $2`, StateQuiet, now.Add(-s.options.Window))
			done = closed < mostSwept && quiet < mostSwept
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep moves the incidents of a condition on their state and time, and returns how many it found.
func (t *txn) sweep(which string, to State, before time.Time) (int, error) {
	var found []*incident
	err := t.each(func(scan func(...any) error) error {
		in := &incident{}
		err := scan(in.fields()...)
		found = append(found, t.known(in))
		return err
	}, `SELECT `+incidentColumns+` FROM incidents WHERE `+which+` ORDER BY last LIMIT 500`, to, micros(before))
	if err != nil {
		return 0, err
	}
	for _, in := range found {
		if in.state < to && in.last < micros(before) {
			if err := t.move(in, to); err != nil {
				return 0, err
			}
		}
	}
	return len(found), nil
}

// move writes the new state at once, so that the next transaction finds others.
func (t *txn) move(in *incident, to State) error {
	in.state, in.dirty = to, true
	if err := t.exec(`UPDATE incidents SET state = $1 WHERE id = $2`, to, in.id); err != nil {
		return err
	}
	if to != StateClosed {
		return nil
	}
	if err := t.announce(in, StateClosed, 0); err != nil {
		return err
	}
	ids, err := t.numbers(`SELECT id FROM shares WHERE incident = $1`, in.id)
	if err != nil {
		return err
	}
	for _, id := range ids {
		sh, err := t.share(id)
		if err != nil {
			return err
		}
		sh.dirty, sh.words = true, true
	}
	return nil
}
