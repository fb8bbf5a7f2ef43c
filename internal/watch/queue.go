// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"sync"
	"time"
)

// mostQueued is how many pods may wait for their capture: what comes beyond is not captured, and its deaths say so.
const mostQueued = 10_000

// A queue holds what is to be looked at, each once however often it is put in: urgent things first, then in the order in which
// they came. Its methods may be called from many goroutines.
type queue[K comparable] struct {
	mu     sync.Mutex
	due    map[K]time.Time
	lines  [2][]K // urgent, rest
	woken  chan struct{}
	now    func() time.Time
	inHand map[K]bool
}

func newQueue[K comparable](now func() time.Time) *queue[K] {
	return &queue[K]{due: map[K]time.Time{}, inHand: map[K]bool{}, woken: make(chan struct{}, 1), now: now}
}

// put has a thing looked at once the pause is over, and tells whether there was room. What waits already keeps its place.
func (q *queue[K]) put(key K, pause time.Duration, urgent bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, waits := q.due[key]; waits {
		return true
	}
	if len(q.due) >= mostQueued {
		return false
	}
	q.due[key] = q.now().Add(pause)
	line := 1
	if urgent {
		line = 0
	}
	q.lines[line] = append(q.lines[line], key)
	q.wake()
	return true
}

func (q *queue[K]) wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

// next waits for a thing to look at and takes it in hand: until done is called nobody else gets it.
func (q *queue[K]) next(ctx context.Context) (key K, err error) {
	for {
		key, wait, found := q.first()
		if found {
			return key, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return key, ctx.Err()
		case <-q.woken:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// first takes the first thing that is due, or tells how long it is until there may be one.
func (q *queue[K]) first() (key K, wait time.Duration, found bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	wait = time.Hour
	for l, line := range q.lines {
		for i, k := range line {
			if q.inHand[k] {
				continue
			}
			if left := q.due[k].Sub(now); left > 0 {
				wait = min(wait, left)
				break // those behind came later
			}
			copy(line[1:i+1], line[:i]) // what is in hand is at the head, and little
			q.lines[l] = line[1:]
			delete(q.due, k)
			q.inHand[k] = true
			if len(q.due) > 0 {
				q.wake()
			}
			return k, 0, true
		}
	}
	return key, wait, false
}

// done lets go of a thing.
func (q *queue[K]) done(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.inHand, key)
	q.wake()
}

// len returns how many things wait.
func (q *queue[K]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.due)
}
