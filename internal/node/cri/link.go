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

// refused is the number of the connection that was not made.
const refused = -1

// A link watches the connection to a socket: it is made anew by itself, and nobody says when it was lost.
type link struct {
	mu    sync.Mutex
	dials int       // connections so far
	good  int       // the newest of them that answered a call
	lost  time.Time // zero: it is there
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

// watch wraps a dial so that its connections are known.
func (l *link) watch(dial func(context.Context) (net.Conn, error)) dialer {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			l.refuse(err)
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.loseLocked(l.dials, "the connection ended")
		l.dials++
		n := l.dials
		return &watched{Conn: conn, closed: sync.OnceFunc(func() { l.lose(n, "the connection ended") })}, nil
	}
}

// refuse notes that no connection could be made.
func (l *link) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deny = errors.Is(err, os.ErrPermission)
	l.loseLocked(refused, err.Error())
}

// forbidden tells whether the socket may not be opened.
func (l *link) forbidden() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deny
}

// lose notes the first moment without connection n. One that ends before it answered anything says nothing new.
func (l *link) lose(n int, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loseLocked(n, why)
}

func (l *link) loseLocked(n int, why string) {
	if l.lost.IsZero() && (n == refused || n > 0 && n == l.good) {
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
