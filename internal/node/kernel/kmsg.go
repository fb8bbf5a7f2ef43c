// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mostBatch is how many records are read before anything else is done.
const mostBatch = 512

// A kmsg reads /dev/kmsg: one record at each call, with its number (kernel Documentation/ABI/testing/dev-kmsg).
type kmsg struct {
	r    *Reader
	file *os.File
	conn syscall.RawConn
	buf  [16 << 10]byte // the kernel gives no record of more than 8 KiB

	first bool // nothing has been read yet
}

func openKmsg(r *Reader, path string) (*kmsg, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return newKmsg(r, os.NewFile(uintptr(fd), path))
}

func newKmsg(r *Reader, file *os.File) (*kmsg, error) {
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file.Name(), err)
	}
	return &kmsg{r: r, file: file, conn: conn, first: true}, nil
}

func (k *kmsg) close() { k.file.Close() }

func (k *kmsg) read(ctx context.Context, most time.Duration) (int, error) {
	var until time.Time
	if most > 0 {
		until = time.Now().Add(most)
	}
	if err := k.file.SetReadDeadline(until); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = k.file.SetReadDeadline(time.Unix(1, 0)) })()
	var n int
	var failed error
	waited := false
	err := k.conn.Read(func(fd uintptr) bool {
		for n < mostBatch {
			size, err := unix.Read(int(fd), k.buf[:])
			switch {
			case errors.Is(err, unix.EINTR), errors.Is(err, unix.EPIPE): // EPIPE: overrun; the numbers tell by how much
				continue
			case errors.Is(err, unix.EAGAIN):
				waited = true
				return n > 0
			case err != nil:
				failed = err
				return true
			case size == 0:
				failed = os.ErrClosed
				return true
			}
			k.record(k.buf[:size], waited && n == 0)
			n++
		}
		return true
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, errors.Join(err, failed)
}

// record takes one record. One that was waited for tells what time it is.
func (k *kmsg) record(raw []byte, live bool) {
	head, text, ok := bytes.Cut(raw, []byte(";"))
	m, ok2 := parseHead(head)
	if !ok || !ok2 {
		return
	}
	r := k.r
	if k.first && m.seq <= r.at.Seq && r.at.Seq > 0 {
		return // it was told before
	}
	if k.first && m.since <= r.at.Since && r.at.Since > 0 { // by another source
		r.at.Seq = m.seq
		return
	}
	if live {
		r.clock.live(m.since, time.Now(), tolerance)
	}
	why, next := overrun, r.at.Seq+1
	if k.first && r.at.Seq == 0 {
		why, next = tooLate, 0
	} else if k.first {
		why = wentRound
	}
	if m.seq > next {
		r.miss(int64(min(m.seq-next, math.MaxInt64)), r.clock.at(m.since), why)
	}
	k.first = false
	r.at.Seq = m.seq
	if text, _, ok = bytes.Cut(text, []byte("\n")); ok { // below it are the names of the device
		r.take(m.facility, m.since, unescape(text))
	}
}

// A head is what stands before the text of a record.
type head struct {
	facility int
	seq      uint64
	since    time.Duration
}

// parseHead reads "prefix,number,microseconds,flags" and what a later kernel may put behind it.
func parseHead(b []byte) (h head, ok bool) {
	prefix, b, _ := bytes.Cut(b, []byte(","))
	seq, b, _ := bytes.Cut(b, []byte(","))
	since, _, _ := bytes.Cut(b, []byte(","))
	p, err1 := strconv.ParseUint(string(prefix), 10, 16)
	n, err2 := strconv.ParseUint(string(seq), 10, 63)
	us, err3 := strconv.ParseUint(string(since), 10, 53)
	return head{int(p >> 3), n, time.Duration(us) * time.Microsecond}, err1 == nil && err2 == nil && err3 == nil
}

// unescape undoes in place what the kernel does to bytes that are not printable. What would begin a new line becomes a space:
// a name of a process that contains one must not begin another record.
func unescape(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\x`)) {
		return text
	}
	out := text[:0]
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+3 < len(text) && text[i+1] == 'x' {
			if v, err := strconv.ParseUint(string(text[i+2:i+4]), 16, 8); err == nil {
				c, i = byte(v), i+3
			}
		}
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		out = append(out, c)
	}
	return out
}
