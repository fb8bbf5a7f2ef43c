// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// leastRing and mostRing are how much of the kernel's ring is read: the least at each look, more until it reaches back to
	// what was read before. The ring of most kernels has 128 KiB to 1 MiB.
	leastRing, mostRing = 8 << 10, 16 << 20
	// overlap is how many lines tell where reading ended, so that one that is repeated is not taken for it.
	overlap = 8
	// lookEvery is how often a ring is read whose bell is silent, and restMore how soon at least after it had something.
	lookEvery, restMore = 10 * time.Second, 50 * time.Millisecond
	// deafFor is how long a bell is not trusted that did not ring.
	deafFor = 10 * time.Minute
)

// A ring reads the kernel's log by syslog(2) without consuming it: the newest bytes of it at each look. Lines have no
// numbers there, so new is what comes behind the last lines that were read. The kernel goes through its whole ring for it, some
// milliseconds for a large one, so it is only asked when a bell rings, and now and then.
type ring struct {
	r    *Reader
	call func(kind int, buf []byte) (int, error)
	bell *bell // nil: nobody says when something comes
	buf  []byte
	seen [][]byte // the last lines that were read, oldest first
	size int      // of the kernel's ring

	started bool
	pause   time.Duration // before the next look
	looked  time.Time
	silent  bool      // the bell did not ring since
	deaf    time.Time // until then the bell is not trusted
}

// A bell is /proc/kmsg, which is never read: that would take the log away from others. As long as it holds what nobody has read,
// or gets something that nobody reads at once, whoever waits for it is woken by each new record.
type bell struct {
	file *os.File
	conn syscall.RawConn
}

// openBell returns nil where it cannot be had.
func openBell(path string) *bell {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), path)
	conn, err := file.SyscallConn()
	if err != nil || file.SetReadDeadline(time.Time{}) != nil {
		_ = file.Close()
		return nil
	}
	return &bell{file, conn}
}

func klogctl(kind int, buf []byte) (int, error) { return unix.Klogctl(kind, buf) }

func openRing(r *Reader, call func(int, []byte) (int, error), bell *bell) (*ring, error) {
	size, err := call(unix.SYSLOG_ACTION_SIZE_BUFFER, nil)
	if err == nil {
		_, err = call(unix.SYSLOG_ACTION_READ_ALL, make([]byte, 1<<10))
	}
	g := &ring{r: r, call: call, bell: bell, size: min(max(size, leastRing), mostRing)}
	if err != nil {
		g.close()
		return nil, fmt.Errorf("syslog(2): %w", err)
	}
	return g, nil
}

func (g *ring) close() {
	if g.bell != nil {
		_ = g.bell.file.Close()
	}
}

// read looks, and where there is nothing new waits for the bell. Without one it looks each second. After what was new it
// waits a little, the longer the more comes.
func (g *ring) read(ctx context.Context, most time.Duration) (n int, err error) {
	select {
	case <-ctx.Done():
		return 0, nil
	case <-time.After(g.pause):
	}
	trusted := g.bell != nil && !time.Now().Before(g.deaf)
	if trusted {
		n, err = g.listen(ctx, most)
	} else {
		n, err = g.look()
	}
	switch {
	case !trusted:
		g.pause = quiet
	case n == 0:
		g.pause = 0
	default:
		g.pause = min(max(2*g.pause, restMore), quiet)
	}
	return n, err
}

// listen looks, and again whenever the bell rings, until something is new. What is found without the bell having rung tells that
// somebody else takes the log, and faster.
func (g *ring) listen(ctx context.Context, most time.Duration) (n int, err error) {
	limit := lookEvery
	if most > 0 {
		limit = min(limit, most)
	}
	if err := g.bell.file.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = g.bell.file.SetReadDeadline(time.Unix(1, 0)) })()
	var failed error
	err = g.bell.conn.Read(func(uintptr) bool {
		n, failed = g.look()
		if n > 0 && g.silent {
			g.deaf = time.Now().Add(deafFor)
		}
		g.silent = false // from here on it has rung
		return n > 0 || failed != nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		g.silent, err = true, nil
	}
	return n, errors.Join(err, failed)
}

// look reads what is new, and returns how many lines that were.
func (g *ring) look() (int, error) {
	before := g.looked
	g.looked = time.Now()
	lines, whole, err := g.fresh()
	if err != nil {
		return 0, err
	}
	now, last := time.Now(), g.r.at.Since
	if g.started && !whole {
		g.r.miss(0, now.UTC(), overrun)
	}
	for i, line := range lines {
		facility, since, text := parsePrinted(line)
		if i == 0 && !g.started {
			g.begun(since, last)
		}
		if since == 0 { // a kernel that was told not to print the time
			since = now.Sub(g.r.clock.boot)
		}
		if g.started || since > last {
			g.r.clock.live(since, now, g.late(now.Sub(before)))
			g.r.take(facility, since, text)
		}
	}
	g.remember(lines)
	g.started = true
	return len(lines), nil
}

// begun looks at the time of the first line of all, in the light of the last one that was told before.
func (g *ring) begun(first, last time.Duration) {
	switch {
	case last > 0 && first > last:
		g.r.miss(0, g.r.clock.at(first), wentRound)
	case last == 0 && first > time.Second:
		g.r.miss(0, g.r.clock.at(first), tooLate)
	}
}

// late is how much later than it was written a line may be read: any time at first, then since the last look.
func (g *ring) late(since time.Duration) time.Duration {
	if !g.started {
		return math.MaxInt64
	}
	return since + tolerance
}

// fresh returns the lines that were not read yet, and whether they follow upon those that were.
func (g *ring) fresh() (lines [][]byte, whole bool, err error) {
	for size := leastRing; ; size *= 4 {
		size = min(size, g.size)
		if len(g.buf) < size {
			g.buf = make([]byte, size)
		}
		n, err := g.call(unix.SYSLOG_ACTION_READ_ALL, g.buf[:size])
		if err != nil {
			return nil, false, fmt.Errorf("syslog(2): %w", err)
		}
		lines = bytes.Split(bytes.TrimRight(g.buf[:n], "\n"), []byte("\n"))
		if n == 0 {
			lines = nil
		}
		if i := behind(lines, g.seen); i >= 0 {
			return lines[i:], true, nil
		}
		if size == g.size {
			return lines, len(g.seen) == 0, nil
		}
	}
}

// behind returns where in the lines the first is that comes after those that were seen; negative when those are not all
// there.
func behind(lines, seen [][]byte) int {
	if len(seen) == 0 {
		return -1
	}
	for end := len(lines); end >= len(seen); end-- {
		if slices.EqualFunc(lines[end-len(seen):end], seen, bytes.Equal) {
			return end
		}
	}
	return -1
}

// remember keeps the last lines.
func (g *ring) remember(lines [][]byte) {
	for _, line := range lines[max(0, len(lines)-overlap):] {
		g.seen = append(g.seen, bytes.Clone(line))
	}
	g.seen = g.seen[max(0, len(g.seen)-overlap):]
	if len(g.buf) > 4*leastRing { // the whole ring is read at the start, and after a flood
		g.buf = nil
	}
}

// parsePrinted takes a line apart: "<6>[   12.345678] text", with the thread or the processor behind the time where the
// kernel is built so. A line without them is all text, of the kernel, and of no time.
func parsePrinted(line []byte) (facility int, since time.Duration, text []byte) {
	rest, ok := bytes.CutPrefix(line, []byte("<"))
	prefix, rest, ok2 := bytes.Cut(rest, []byte(">"))
	p, err := strconv.ParseUint(string(prefix), 10, 16)
	if !ok || !ok2 || err != nil {
		return 0, 0, line
	}
	facility, text = int(p>>3), rest
	if since, rest, ok = parseStamp(rest); ok {
		text = rest
	}
	if rest, ok = bytes.CutPrefix(text, []byte("[")); ok {
		if caller, after, ok := bytes.Cut(rest, []byte("] ")); ok && isCaller(bytes.TrimSpace(caller)) {
			text = after
		}
	}
	return facility, since, bytes.TrimPrefix(text, []byte(" "))
}

// parseStamp reads "[   12.345678]".
func parseStamp(b []byte) (since time.Duration, rest []byte, ok bool) {
	b, ok = bytes.CutPrefix(b, []byte("["))
	stamp, rest, ok2 := bytes.Cut(b, []byte("]"))
	whole, part, ok3 := bytes.Cut(bytes.TrimLeft(stamp, " "), []byte("."))
	s, err := strconv.ParseUint(string(whole), 10, 32)
	us, err2 := strconv.ParseUint(string(part), 10, 32)
	if !ok || !ok2 || !ok3 || err != nil || err2 != nil || len(part) != 6 {
		return 0, nil, false
	}
	return time.Duration(s)*time.Second + time.Duration(us)*time.Microsecond, rest, true
}

// isCaller tells whether it is "T123" or "C0".
func isCaller(b []byte) bool {
	if len(b) < 2 || b[0] != 'T' && b[0] != 'C' {
		return false
	}
	_, err := strconv.ParseUint(string(b[1:]), 10, 32)
	return err == nil
}
