// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// maxMessage is what the kubelet takes in one message (k8s.io/cri-client pkg/utils.go).
	maxMessage = 16 << 20
	// window is how much of a stream may be on its way. containerd 2 hands an event to one subscriber after the other and waits
	// for each (internal/eventq), so a reader that is kept from the processor for a while must not make it wait.
	window = 4 << 20
)

// refused is the number of the connection that was not made.
const refused = -1

// A link watches the connection to a socket: gRPC makes it anew by itself and does not say when it was lost.
type link struct {
	mu    sync.Mutex
	dials int       // connections so far
	good  int       // the newest of them that answered a call
	lost  time.Time // zero: it is there
	why   string
	deny  bool // the socket may not be opened
}

// connect makes a client that connects at its first call.
func connect(dial grpc.DialOption) (*grpc.ClientConn, error) {
	retry := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}
	return grpc.NewClient("passthrough:///runtime", dial,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: 20 * time.Second}),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(2*window),
		grpc.WithReadBufferSize(16<<10), grpc.WithWriteBufferSize(4<<10),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
	)
}

// option connects to a socket.
func (l *link) option(socket string) grpc.DialOption {
	return grpc.WithContextDialer(l.watch(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}))
}

// watch wraps a dial so that its connections are known.
func (l *link) watch(dial func(context.Context) (net.Conn, error)) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) {
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
