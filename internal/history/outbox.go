// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Notice is one thing that one target is to be told: that an incident opened, grew, reopened or closed. Its key is the
// same each time it is tried.
type Notice struct {
	ID       int64
	Incident string
	State    State // StateOpen or StateClosed
	Reopened int   // which opening it is, from 0
	Mark     int   // the number of pods that it has grown to, a power of ten from 10; 0 for its opening and its end
	Target   string
	Key      string
	Tries    int // this one included
	Pods     int // set by whoever told it: how many pods it was said to have
}

// The delays between tries.
const (
	firstDelay   = 5 * time.Second
	longestDelay = 30 * time.Minute
)

// MarkOf returns the largest power of ten that a number of pods reaches, 0 below ten: when an incident reaches the next
// one, that is told.
func MarkOf(pods int) int {
	mark := 0
	for next := 10; next <= pods; next *= 10 {
		mark = next
	}
	return mark
}

// announce puts a state of an incident into the outbox, once for each target.
func (t *txn) announce(in *incident, state State, mark int) error {
	for _, target := range t.store.options.Targets {
		err := t.exec(`INSERT INTO outbox (incident, round, state, mark, target, due, tries, done, fault)
			VALUES ($1, $2, $3, $4, $5, $6, 0, 0, '') ON CONFLICT (incident, round, state, mark, target) DO NOTHING`,
			in.id, in.round, state, mark, clean(target, maxName), micros(t.now.Add(t.store.options.Hold)))
		if err != nil {
			return err
		}
	}
	return nil
}

// Take hands out at most so many notices that are due, the oldest first, and none of them again within the lease. A
// cluster and a target restrict them where they are not empty.
func (s *Store) Take(ctx context.Context, cluster, target string, most int, lease time.Duration) ([]Notice, error) {
	var taken []Notice
	err := s.do(ctx, func(t *txn) error {
		taken = nil
		q := query{args: []any{micros(t.now.Add(lease))}, conditions: []string{"done = 0"}}
		q.where("due <= %s", micros(t.now))
		q.optional("target = %s", target)
		q.optional("incident IN (SELECT i.id FROM incidents i JOIN clusters c ON c.id = i.cluster WHERE c.uid = %s)", cluster)
		return t.each(func(scan func(...any) error) error {
			var n Notice
			err := scan(&n.ID, &n.Incident, &n.State, &n.Reopened, &n.Mark, &n.Target, &n.Tries)
			n.Key = n.key()
			taken = append(taken, n)
			return err
		}, `UPDATE outbox SET due = $1, tries = tries + 1
			WHERE id IN (SELECT id FROM outbox`+q.text()+` ORDER BY due, id LIMIT `+q.arg(most)+`) AND done = 0
			RETURNING id, (SELECT ref FROM incidents WHERE incidents.id = outbox.incident), state, round, mark, target, tries`, q.args...)
	})
	if err != nil { // who gave up waiting has no claim to what the writer writes there still
		return nil, err
	}
	slices.SortFunc(taken, func(a, b Notice) int { return cmp.Compare(a.ID, b.ID) })
	return taken, nil
}

func (n *Notice) key() string {
	key := fmt.Sprintf("%s/%d/%s", n.Incident, n.Reopened, n.State)
	if n.Mark > 0 {
		key += fmt.Sprintf("/%d", n.Mark)
	}
	return key
}

// Told acknowledges notices: they are not handed out again, whatever happens to this process. Nor is what one of them
// made old: that the incident grew to no more pods than were told, or, where it has closed, that it opened and grew.
func (s *Store) Told(ctx context.Context, told ...Notice) error {
	return s.do(ctx, func(t *txn) error {
		for _, n := range told {
			if err := t.exec(`UPDATE outbox SET done = $1, fault = '' WHERE id = $2`, micros(t.now), n.ID); err != nil {
				return err
			}
			pods, least := n.Pods, 1
			if n.State == StateClosed {
				pods, least = math.MaxInt32, 0
			}
			err := t.exec(`UPDATE outbox SET done = $1 WHERE done = 0 AND target = $2 AND round = $3 AND state = $4 AND mark >= $7 AND mark <= $5
				AND incident = (SELECT incident FROM outbox WHERE id = $6)`, micros(t.now), n.Target, n.Reopened, StateOpen, pods, n.ID, least)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Unheard tells of the notice of an end whether its target was not told of the beginning.
func (s *Store) Unheard(ctx context.Context, end Notice) (bool, error) {
	return s.waits(ctx, end, StateOpen)
}

// Ends tells of a notice whether that of the end waits for the same target. A target that was not configured when the incident
// closed has none.
func (s *Store) Ends(ctx context.Context, n Notice) (bool, error) {
	return s.waits(ctx, n, StateClosed)
}

// waits tells whether the opening or the end of what a notice is about is yet to be told to its target.
func (s *Store) waits(ctx context.Context, n Notice, state State) (waits bool, err error) {
	err = s.reads.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM outbox o JOIN outbox e ON e.incident = o.incident AND e.round = o.round AND e.target = o.target
		WHERE e.id = $1 AND o.state = $2 AND o.mark = 0 AND o.done = 0)`, n.ID, state).Scan(&waits)
	return waits, s.explain("read", err)
}

// Untold gives a notice back that could not be delivered. It is tried again, each time after twice as long, and not
// before a pause that the target asked for.
func (s *Store) Untold(ctx context.Context, n Notice, why string, pause time.Duration) error {
	delay := longestDelay
	if n.Tries < 12 {
		delay = min(firstDelay<<max(n.Tries-1, 0), longestDelay)
	}
	delay = max(delay, min(pause, longestDelay))
	return s.do(ctx, func(t *txn) error {
		return t.exec(`UPDATE outbox SET due = $1, fault = $2 WHERE id = $3 AND done = 0`,
			micros(t.now.Add(delay)), clean(why, maxWord), n.ID)
	})
}

// Untaken returns how many notices wait, and since when the oldest of them is due, which may be in the future. What waits for a target
// that is not configured any more does not count: nobody takes it, unless the target comes back.
func (s *Store) Untaken(ctx context.Context) (waiting int, oldest time.Time, err error) {
	var due int64
	q := query{conditions: []string{"done = 0"}}
	q.among("target", append([]string{}, s.options.Targets...))
	err = s.reads.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MIN(due), 0) FROM outbox`+q.text(), q.args...).Scan(&waiting, &due)
	return waiting, fromMicros(due), s.explain("read", err)
}

// Heard returns incidents of a cluster that a target was told are open, and that are not closed: those behind a place,
// and the place of the last of them.
func (s *Store) Heard(ctx context.Context, cluster, target string, after int64, most int) ([]Incident, int64, error) {
	var places []place
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var p place
		err := scan(&p.incident)
		places = append(places, p)
		return err
	}, `SELECT i.id FROM incidents i JOIN clusters c ON c.id = i.cluster
		WHERE i.state < $1 AND c.uid = $2 AND i.id > $3 AND EXISTS (SELECT 1 FROM outbox o WHERE o.incident = i.id AND o.round = i.round
			AND o.state = $4 AND o.mark = 0 AND o.target = $5 AND o.done > 0)
		ORDER BY i.id LIMIT $6`, StateClosed, clean(cluster, maxName), after, StateOpen, clean(target, maxName), most)
	if err != nil || len(places) == 0 {
		return nil, after, s.explain("read", err)
	}
	all, err := s.load(ctx, places, nil, false)
	return all, places[len(places)-1].incident, s.explain("read", err)
}
