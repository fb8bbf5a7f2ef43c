// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"sync"
)

// mostBehind is how many changes wait for a reader.
const mostBehind = 64

// A Change is what one commit changed. After LookAgain the reader has missed some and asks for what it shows anew.
type Change struct {
	Incidents []string
	Deaths    []int64
	Events    bool // Kubernetes Events came
	Gaps      bool // what could not be seen changed
	LookAgain bool
}

// Changes tells what each commit changes from now on. The channel ends with the store or with cancel. Of what other processes write to
// the same PostgreSQL it tells to look again, as soon as they have committed it.
func (s *Store) Changes() (changes <-chan Change, cancel func()) { return s.changes.subscribe() }

func (c *Change) none() bool {
	return len(c.Incidents)+len(c.Deaths) == 0 && !c.Events && !c.Gaps && !c.LookAgain
}

// A broadcast tells many readers, none of which it waits for.
type broadcast struct {
	mu     sync.Mutex
	ended  bool
	behind map[chan Change]bool // whether its last change is LookAgain
}

func (b *broadcast) subscribe() (<-chan Change, func()) {
	c := make(chan Change, mostBehind)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		close(c)
		return c, func() {}
	}
	if b.behind == nil {
		b.behind = map[chan Change]bool{}
	}
	b.behind[c] = false
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, ok := b.behind[c]; ok {
			delete(b.behind, c)
			close(c)
		}
	}
}

// tell is the only one that sends. A reader that is behind has LookAgain as its last change: as long as that was not read, it
// stands for everything since.
func (b *broadcast) tell(change Change) {
	if change.none() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for c, behind := range b.behind {
		switch waiting := len(c); {
		case behind && waiting > 0:
		case waiting == cap(c)-1:
			c <- Change{LookAgain: true}
			b.behind[c] = true
		default:
			c <- change
			b.behind[c] = false
		}
	}
}

func (b *broadcast) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for c := range b.behind {
		close(c)
	}
	b.behind = nil
}

// change is what the transaction changed.
func (t *txn) change() Change {
	c := Change{Deaths: t.changed, Events: t.events, Gaps: t.gaps}
	for _, in := range t.grouped.byID {
		if in.dirty {
			c.Incidents = append(c.Incidents, in.ref)
		}
	}
	slices.Sort(c.Incidents)
	return c
}
