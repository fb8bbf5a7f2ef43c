// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"container/heap"
	"context"
	"sync"
	"time"
)

// mostQueued is how many things may wait for their capture: what comes beyond is not captured, and its deaths say so. Of what nobody died of
// fewer may: it is looked at again and again for as long as it is in trouble, and would leave no place for a death.
const mostQueued, mostLater = 10_000, 8_000

// A rank says which of the things that are due goes first.
type rank uint8

const (
	urgent rank = iota // a death, of which nothing like it is known
	usual              // a death
	later              // in trouble, without a death
)

// A queue holds what is to be looked at, each thing once however often it is put in. It hands out what is due, by its rank, then
// in the order in which it became due. Its methods may be called from many goroutines.
type queue[K comparable] struct {
	mu     sync.Mutex
	items  map[K]*item[K]
	idle   int     // of these, those without a death
	waits  line[K] // by when it is due
	due    line[K] // by rank
	inHand map[K]bool
	woken  chan struct{}
	now    func() time.Time
}

type item[K comparable] struct {
	key   K
	rank  rank
	at    time.Time // when it is due
	place int       // in the line that it is in
	ready bool      // that is the line of what is due
}

// A line is a heap of things.
type line[K comparable] struct {
	items  []*item[K]
	before func(a, b *item[K]) bool
}

func (l *line[K]) Len() int           { return len(l.items) }
func (l *line[K]) Less(i, j int) bool { return l.before(l.items[i], l.items[j]) }

func (l *line[K]) Swap(i, j int) {
	l.items[i], l.items[j] = l.items[j], l.items[i]
	l.items[i].place, l.items[j].place = i, j
}

func (l *line[K]) Push(x any) {
	it := x.(*item[K])
	it.place = len(l.items)
	l.items = append(l.items, it)
}

func (l *line[K]) Pop() any {
	n := len(l.items) - 1
	it := l.items[n]
	l.items[n] = nil
	l.items = l.items[:n]
	return it
}

func newQueue[K comparable](now func() time.Time) *queue[K] {
	sooner := func(a, b *item[K]) bool { return a.at.Before(b.at) }
	first := func(a, b *item[K]) bool { return cmp.Or(cmp.Compare(a.rank, b.rank), a.at.Compare(b.at)) < 0 }
	return &queue[K]{
		items: map[K]*item[K]{}, inHand: map[K]bool{}, woken: make(chan struct{}, 1), now: now,
		waits: line[K]{before: sooner}, due: line[K]{before: first},
	}
}

// put has a thing looked at once the pause is over, and tells whether there was room. What waits already is looked at as soon and
// as urgently as was asked for at most.
func (q *queue[K]) put(key K, pause time.Duration, r rank) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := q.now().Add(pause)
	it := q.items[key]
	if it == nil {
		if len(q.items) >= mostQueued || r == later && q.idle >= mostLater {
			return false
		}
		it = &item[K]{key: key, rank: r, at: at}
		q.items[key] = it
		heap.Push(&q.waits, it)
		q.count(r, 1)
	} else {
		q.count(it.rank, -1)
		it.rank = min(it.rank, r)
		q.count(it.rank, 1)
		if !it.ready && at.Before(it.at) {
			it.at = at
		}
		heap.Fix(q.lineOf(it), it.place)
	}
	q.wake()
	return true
}

// count counts what waits without a death.
func (q *queue[K]) count(r rank, n int) {
	if r == later {
		q.idle += n
	}
}

func (q *queue[K]) lineOf(it *item[K]) *line[K] {
	if it.ready {
		return &q.due
	}
	return &q.waits
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
	q.ripen()
	var held []*item[K] // what somebody has in hand comes again when he has done
	for q.due.Len() > 0 && !found {
		it := heap.Pop(&q.due).(*item[K])
		if q.inHand[it.key] {
			held = append(held, it)
			continue
		}
		key, found = it.key, true
		delete(q.items, it.key)
		q.count(it.rank, -1)
		q.inHand[it.key] = true
	}
	for _, it := range held {
		heap.Push(&q.due, it)
	}
	if found && len(q.items) > 0 {
		q.wake()
	}
	wait = time.Hour
	if q.waits.Len() > 0 {
		wait = q.waits.items[0].at.Sub(q.now())
	}
	return key, wait, found
}

// ripen moves what has become due.
func (q *queue[K]) ripen() {
	for now := q.now(); q.waits.Len() > 0 && !q.waits.items[0].at.After(now); {
		it := heap.Pop(&q.waits).(*item[K])
		it.ready = true
		heap.Push(&q.due, it)
	}
}

// done lets go of a thing.
func (q *queue[K]) done(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.inHand, key)
	q.wake()
}

// state returns how many things are to be looked at in all, how many of them now, and since when the one has been due that is
// due for longest.
func (q *queue[K]) state() (all, due int, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ripen()
	for _, it := range q.due.items {
		if since.IsZero() || it.at.Before(since) {
			since = it.at
		}
	}
	return len(q.items), q.due.Len(), since
}

// crowded tells whether of what is due more than a few goes before, or beside, what has that rank.
func (q *queue[K]) crowded(few int, r rank) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ripen()
	n := 0
	for _, it := range q.due.items {
		if it.rank <= r {
			n++
		}
		if n > few {
			return true
		}
	}
	return false
}
