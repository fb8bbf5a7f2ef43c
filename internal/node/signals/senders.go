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
	engines  map[int]worker
}

// A worker is a thread of a runtime that lives on. The runtime starts a program from a thread which ends with it, however long that has
// been there (containerd/go-runc, Monitor.StartLocked): who reads of the program late finds neither.
type worker struct {
	process int // 0: it is none any more
	since   time.Time
	gone    bool // it was gone a minute ago
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
	// mostEngines bounds the threads of runtimes that are kept: some hundred containers, each with a monitor of a dozen threads.
	mostEngines = 16384
)

func newSenders() senders {
	return senders{programs: map[int]began{}, threads: map[int]made{}, engines: map[int]worker{}}
}

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

// work notes whose a thread is since then. The buffers of the processors are read one by one: what is newer stands.
func (s *senders) work(tid, process int, since time.Time) {
	old, known := s.engines[tid]
	switch {
	case known && (old.since.After(since) || old.process == process):
	case known || len(s.engines) < mostEngines:
		s.engines[tid] = worker{process: process, since: since}
	}
}

// sweep forgets the threads of runtimes that have been gone for a minute.
func (s *senders) sweep(alive map[int]bool) {
	for tid, w := range s.engines {
		switch {
		case alive[tid]:
		case w.gone:
			delete(s.engines, tid)
		default:
			w.gone = true
			s.engines[tid] = w
		}
	}
}

// of returns the program that a thread is of. Where that is not remembered it returns the process of a runtime, or else the thread, from
// which all the others came, itself if none is known.
func (s *senders) of(tid int, at time.Time) (program *process, root int) {
	for range 8 {
		if p, ok := s.programs[tid]; ok && at.Sub(p.at) <= briefLife {
			return p.process, tid
		}
		if e := s.engines[tid]; e.process != 0 && !e.since.After(at) {
			return nil, e.process
		}
		m, ok := s.threads[tid]
		if !ok || at.Sub(m.at) > briefLife {
			break
		}
		tid = m.by
	}
	return nil, tid
}
