// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A link watches the connection to a socket: it is made anew by itself, and nobody says when it was lost.
type link struct {
	mu    sync.Mutex
	dials int           // connections so far; those that are open side by side are one
	open  int           // how many are
	ended chan struct{} // closed when none is any more
	good  int           // the newest of them that answered a call
	lost  time.Time     // zero: it is there
	why   string
	deny  bool // the socket may not be opened
}

// A dialer connects, whatever it is asked to connect to.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// to connects to a socket.
func (l *link) to(socket string) dialer {
	return l.watch(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	})
}

// watch wraps a dial so that its connections are known. Of requests that come at once each has a connection dialled, and all then
// use the first that is there: the others say nothing new.
func (l *link) watch(dial func(context.Context) (net.Conn, error)) dialer {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		l.outlast(ctx)
		conn, err := dial(ctx)
		if err != nil {
			l.refuse(err)
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open == 0 {
			l.dials++
			l.ended = make(chan struct{})
		}
		l.open++
		return &watched{Conn: conn, closed: sync.OnceFunc(l.end)}, nil
	}
}

// closing is how long a connection may take to be closed after what was asked over it has failed.
const closing = 100 * time.Millisecond

// outlast waits for the end of a connection that has failed: a new one may be asked for before the old one is closed.
func (l *link) outlast(ctx context.Context) {
	l.mu.Lock()
	open, ended := l.open, l.ended
	l.mu.Unlock()
	if open == 0 {
		return
	}
	limit := time.NewTimer(closing)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
	case <-ctx.Done():
	}
}

// end notes that a connection was closed. That it was the last one is the first moment without; one that ends before it answered
// anything says nothing new.
func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open--; l.open > 0 {
		return
	}
	close(l.ended)
	if l.dials == l.good {
		l.loseLocked("the connection ended")
	}
}

// refuse notes that no connection could be made, where there is none.
func (l *link) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deny = errors.Is(err, os.ErrPermission)
	if l.open == 0 {
		l.loseLocked(err.Error())
	}
}

// forbidden tells whether the socket may not be opened.
func (l *link) forbidden() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deny
}

func (l *link) loseLocked(why string) {
	if l.lost.IsZero() {
		l.lost, l.why = time.Now(), why
	}
}

// answered notes that the newest connection works, and returns its number.
func (l *link) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.good, l.lost = l.dials, time.Time{}
	return l.dials
}

func (l *link) state() (dials int, lost time.Time, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dials, l.lost, l.why
}

// A watched connection says when it is closed.
type watched struct {
	net.Conn
	closed func()
}

// Close closes the connection.
func (w *watched) Close() error {
	w.closed()
	return w.Conn.Close()
}
