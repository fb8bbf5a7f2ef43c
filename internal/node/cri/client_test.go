// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func frame(flag byte, length int, data string) string {
	return string(binary.BigEndian.AppendUint32([]byte{flag}, uint32(length))) + data
}

func TestMessage(t *testing.T) {
	old := []byte("what was there before")
	for name, c := range map[string]struct {
		in, out string
		err     error
	}{
		"one":        {frame(0, 3, "abc"), "abc", nil},
		"empty":      {frame(0, 0, ""), "", nil},
		"none":       {"", "", io.EOF},
		"a part":     {frame(0, 3, "ab"), "ab", io.ErrUnexpectedEOF},
		"a head":     {"\x00\x00", "", io.ErrUnexpectedEOF},
		"compressed": {frame(1, 3, "abc"), "", errors.ErrUnsupported},
		"too large":  {frame(0, maxMessage+1, "abc"), "", errors.ErrUnsupported},
	} {
		got, err := message(strings.NewReader(c.in), old)
		refused := errors.Is(c.err, errors.ErrUnsupported) && err != nil && strings.Contains(err.Error(), "compressed or larger")
		if !refused && (!errors.Is(err, c.err) || c.err == nil && string(got) != c.out || errors.Is(c.err, io.EOF) && len(got) > 0) {
			t.Errorf("%s: %q (%v), want %q (%v)", name, got, err, c.out, c.err)
		}
	}
}

func TestEnded(t *testing.T) {
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, c := range map[string]struct {
		late            bool
		header, trailer http.Header
		err             error
		want            code
		text            string
	}{
		"well":        {trailer: http.Header{"Grpc-Status": {"0"}}, err: io.EOF},
		"not found":   {trailer: http.Header{"Grpc-Status": {"5"}, "Grpc-Message": {"no%20such %"}}, err: io.EOF, want: notFound, text: "no%20such %"},
		"only header": {header: http.Header{"Grpc-Status": {"12"}, "Grpc-Message": {"what%3F"}}, err: io.EOF, want: unimplemented, text: "what?"},
		"cut off":     {err: io.ErrUnexpectedEOF, want: unavailable, text: "unexpected EOF"},
		"no status":   {trailer: http.Header{"Grpc-Status": {"x"}}, err: io.EOF, want: unavailable, text: "EOF"},
		"half read":   {trailer: http.Header{"Grpc-Status": {"0"}}, err: io.ErrUnexpectedEOF, want: unavailable, text: "unexpected EOF"},
		"too late":    {late: true, err: io.ErrUnexpectedEOF, want: deadlineExceeded, text: "no answer in time"},
	} {
		ctx := t.Context()
		if c.late {
			ctx = late
		}
		err := ended(ctx, &http.Response{Header: c.header, Trailer: c.trailer}, c.err)
		if codeOf(err) != c.want || err != nil && err.Error() != c.text {
			t.Errorf("%s: %v, want code %d, %s", name, err, c.want, c.text)
		}
	}
}

// TestNotGRPC talks to something that is none.
func TestNotGRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.start()
		defer f.stop()
		c := connect((&link{}).watch(f.dial))
		defer c.close()
		if _, err := c.invoke(t.Context(), "NoSuchCall", bytes.Repeat([]byte("x"), 10)); codeOf(err) != unimplemented {
			t.Errorf("an unknown call gives %v", err)
		}
		f.stop()
		if _, err := c.invoke(t.Context(), "Version", nil); codeOf(err) != unavailable {
			t.Errorf("nobody gives %v", err)
		}
	})
}
