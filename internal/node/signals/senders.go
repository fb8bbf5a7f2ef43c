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
	threads  map[int]made // and processes that were made by such a program, or by a runtime that lives on
	oldest   []int        // of both, in order of time
}

// made says by which thread a thread or a process was made.
type made struct {
	by int
	at time.Time
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

func newSenders() senders { return senders{programs: map[int]began{}, threads: map[int]made{}} }

func (s *senders) add(pid int, x *process, at time.Time) {
	s.forget(pid)
	s.programs[pid] = began{x, at}
}

// thread notes that a thread or a process was made.
func (s *senders) thread(tid, by int, at time.Time) {
	s.forget(tid)
	s.threads[tid] = made{by, at}
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

// of returns the program that a thread is of. Where that is not remembered it returns the thread from which all the others
// came, itself if none is known.
func (s *senders) of(tid int, at time.Time) (program *process, root int) {
	for range 8 {
		if p, ok := s.programs[tid]; ok && at.Sub(p.at) <= briefLife {
			return p.process, tid
		}
		m, ok := s.threads[tid]
		if !ok || at.Sub(m.at) > briefLife {
			break
		}
		tid = m.by
	}
	return nil, tid
}
