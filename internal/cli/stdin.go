// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"os"
)

// mostAtOnce is how much is read of an input at once, at the most.
const mostAtOnce = 1 << 20

// A stoppable input ends when the program is stopped: nothing else ends a read of a terminal, or of a pipe that nothing comes through. What
// comes after that is lost.
type stoppable struct {
	over func() error
	done <-chan struct{}
	in   io.Reader
	own  []byte // into which is read: what is given to Read is its giver's again when the program is stopped
}

func newStoppable(ctx context.Context, in io.Reader) *stoppable {
	return &stoppable{over: ctx.Err, done: ctx.Done(), in: in}
}

// Read waits for what comes, or for the program to be stopped.
func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.over(); err != nil {
		return 0, err
	}
	if most := min(len(b), mostAtOnce); len(s.own) < most {
		s.own = make([]byte, most)
	}
	type part struct {
		n   int
		err error
	}
	came, into := make(chan part, 1), s.own[:min(len(b), len(s.own))]
	go func() {
		n, err := s.in.Read(into)
		came <- part{n, err}
	}()
	select {
	case <-s.done:
		return 0, s.over()
	case p := <-came:
		return copy(b, into[:p.n]), p.err
	}
}

// Fd is that of a file, by which a terminal is known; of another input it is none.
func (s *stoppable) Fd() uintptr {
	if f, ok := s.in.(*os.File); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}
