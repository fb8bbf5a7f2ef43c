// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"slices"
	"time"
)

// senders remembers programs that send signals and end at once, from when they began, and which threads they have: a signal is
// sent by a thread, whose number says nothing once it is gone. The oldest are forgotten.
type senders struct {
	programs map[int]began
	threads  map[int]int // by whom it was made
	oldest   []int       // of both, in order of time
}

// began is a program as it was when it began.
type began struct {
	*process
	at time.Time
}

const (
	mostSenders = 2048
	// briefLife is how long such a program may be gone until its number may be another's.
	briefLife = 10 * time.Second
)

func newSenders() senders { return senders{programs: map[int]began{}, threads: map[int]int{}} }

func (s *senders) add(pid int, x *process, at time.Time) {
	s.forget(pid)
	s.programs[pid] = began{x, at}
}

// thread notes that a thread was made.
func (s *senders) thread(tid, by int) {
	s.forget(tid)
	s.threads[tid] = by
}

// forget forgets what had the number before, and the oldest where there are enough.
func (s *senders) forget(id int) {
	delete(s.programs, id)
	delete(s.threads, id)
	s.oldest = append(s.oldest, id)
	if len(s.oldest) <= mostSenders {
		return
	}
	if id := s.oldest[0]; !slices.Contains(s.oldest[1:], id) {
		delete(s.programs, id)
		delete(s.threads, id)
	}
	s.oldest = append(s.oldest[:0], s.oldest[1:]...)
}

// of returns the program that a thread is of, nil where there is none.
func (s *senders) of(tid int, at time.Time) *process {
	for range 8 {
		if p, ok := s.programs[tid]; ok {
			if at.Sub(p.at) > briefLife {
				return nil
			}
			return p.process
		}
		tid = s.threads[tid]
	}
	return nil
}
