// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxMessage is what the kubelet takes in one message (k8s.io/cri-client pkg/utils.go).
	maxMessage = 16 << 20
	// window is how much of a stream may be on its way. containerd 2 hands an event to one subscriber after the other and waits
	// for each (internal/eventq), so a reader that is kept from the processor for a while must not make it wait.
	window = 4 << 20
	// prefix is the length of what stands before each message: whether it is compressed, and its length.
	prefix = 5
	// service is what methods belong to that are named without one.
	service = "/runtime.v1.RuntimeService/"
)

// A code is how a call of gRPC ended (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).
type code int

// The codes that are told from others.
const (
	unknown          code = 2
	deadlineExceeded code = 4
	notFound         code = 5
	unimplemented    code = 12
	unavailable      code = 14
)

// A statusError is the end of a call that failed.
type statusError struct {
	code code
	text string
}

// Error says why.
func (e *statusError) Error() string { return e.text }

// codeOf is the code of an error of a call; 0 for none.
func codeOf(err error) code {
	var s *statusError
	switch {
	case errors.As(err, &s):
		return s.code
	case err != nil:
		return unknown
	}
	return 0
}

// A client calls methods by gRPC over HTTP/2 as net/http has it, which an agent that serves HTTPS has in it in any case:
// gRPC's own library and the generated messages would double what an idle agent takes.
type client struct {
	transport *http.Transport
	buf       []byte // of the newest answer
}

// connect makes a client that connects at its first call.
func connect(d dialer) *client {
	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	return &client{transport: &http.Transport{
		DialContext: d, Protocols: only, DisableCompression: true, MaxResponseHeaderBytes: 256 << 10,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: window, MaxReceiveBufferPerConnection: 2 * window},
	}}
}

// close ends the connection.
func (c *client) close() { c.transport.CloseIdleConnections() }

// invoke calls a method and returns its answer, which is good until the next call.
func (c *client) invoke(ctx context.Context, method string, request []byte) ([]byte, error) {
	response, err := c.send(ctx, method, request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	c.buf, err = message(response.Body, c.buf)
	if err == nil {
		if _, err = message(response.Body, nil); err == nil {
			err = errors.New("two answers")
		}
	}
	if err = ended(ctx, response, err); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return c.buf, nil
}

// stream calls a method and gives each of its answers to see, until the stream ends. Why it ended is the error.
func (c *client) stream(ctx context.Context, method string, request []byte, see func([]byte)) error {
	response, err := c.send(ctx, method, request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var buf []byte
	for {
		if buf, err = message(response.Body, buf); err != nil {
			return ended(ctx, response, err)
		}
		see(buf)
	}
}

// send begins a call.
func (c *client) send(ctx context.Context, method string, request []byte) (*http.Response, error) {
	path := method
	if !strings.HasPrefix(path, "/") {
		path = service + method
	}
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request)))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+path, bytes.NewReader(append(framed, request...)))
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"inquest-agent"}}
	if limit, ok := ctx.Deadline(); ok {
		r.Header.Set("Grpc-Timeout", strconv.FormatInt(max(time.Until(limit).Milliseconds(), 1), 10)+"m")
	}
	response, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, broken(ctx, err))
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, &statusError{unavailable, method + ": not gRPC: HTTP status " + response.Status}
	}
	return response, nil
}

// broken is the error of a call that did not get to its end.
func broken(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &statusError{deadlineExceeded, "no answer in time"}
	}
	return &statusError{unavailable, err.Error()}
}

// message reads one message into buf, or a new one if it is too small. At the end of all it returns io.EOF.
func message(from io.Reader, buf []byte) ([]byte, error) {
	var head [prefix]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return buf[:0], err
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if head[0] != 0 || n > maxMessage {
		return buf, fmt.Errorf("a message of %d bytes, compressed or larger than %d", n, maxMessage)
	}
	if cap(buf) > 4*n+64<<10 {
		buf = nil // one large answer is not to be kept for ever
	}
	buf = slices.Grow(buf[:0], n)[:n]
	if _, err := io.ReadFull(from, buf); err != nil {
		return buf, io.ErrUnexpectedEOF
	}
	return buf, nil
}

// ended is how a call ended whose messages were read until err. What the server says counts before what was read.
func ended(ctx context.Context, response *http.Response, err error) error {
	said := response.Trailer.Get("Grpc-Status")
	if said == "" {
		said = response.Header.Get("Grpc-Status") // it had nothing else to say
	}
	n, bad := strconv.Atoi(said)
	switch {
	case bad != nil || !errors.Is(err, io.EOF) && n == 0:
		return broken(ctx, err)
	case n == 0:
		return nil
	}
	text := response.Trailer.Get("Grpc-Message")
	if text == "" {
		text = response.Header.Get("Grpc-Message")
	}
	if plain, err := url.PathUnescape(text); err == nil {
		text = plain
	}
	return &statusError{code(n), cut(text, maxText)}
}
