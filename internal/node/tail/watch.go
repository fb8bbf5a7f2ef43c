// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// changes are what happens to the entries of a directory. Writes are not among them: each line of each container would
// be an event, and would cost more than reading it. What was written is found by looking at the open files in turn.
const changes = unix.IN_CREATE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_ONLYDIR

// A watch is one inotify instance. Without one (the limit of the user's instances is reached) it only waits.
type watch struct {
	fd   int
	file *os.File
	buf  []byte
}

func newWatch() (*watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return &watch{fd: -1}, err
	}
	return &watch{fd: fd, file: os.NewFile(uintptr(fd), "inotify"), buf: make([]byte, 32<<10)}, nil
}

// add watches a directory by its descriptor: a path could mean another one by now.
func (w *watch) add(dir int) (int, error) {
	if w.file == nil {
		return -1, unix.ENOSPC
	}
	return unix.InotifyAddWatch(w.fd, self(dir), changes)
}

// remove ends the watching of a directory; one that is gone has ended itself.
func (w *watch) remove(wd int) {
	if w.file == nil || wd < 0 {
		return
	}
	if _, err := unix.InotifyRmWatch(w.fd, uint32(wd)); err != nil {
		return // EINVAL: it went with its directory
	}
}

// An event is one change in a directory.
type event struct {
	wd   int
	mask uint32
	name string
}

// wait waits for changes, at most so long, hands them over, and tells whether those were all.
func (w *watch) wait(ctx context.Context, most time.Duration, take func(event)) (all bool, err error) {
	if w.file == nil {
		select {
		case <-ctx.Done():
		case <-time.After(most):
		}
		return true, nil
	}
	n, err := unix.Read(w.fd, w.buf) // a deadline that has come would hide what is there
	if errors.Is(err, unix.EAGAIN) {
		n, err = w.sleep(ctx, most)
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, err
	}
	parseEvents(w.buf[:max(n, 0)], take)
	return n >= 0 && n+unix.SizeofInotifyEvent+unix.NAME_MAX < len(w.buf), nil
}

// sleep waits for the next changes.
func (w *watch) sleep(ctx context.Context, most time.Duration) (int, error) {
	if most <= 0 {
		return 0, nil
	}
	if err := w.file.SetReadDeadline(time.Now().Add(most)); err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done(): // what cancels sets the deadline too, maybe before it was set here
		return 0, nil
	default:
	}
	n, err := w.file.Read(w.buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

func (w *watch) wake() error {
	if w.file == nil {
		return nil
	}
	return w.file.SetReadDeadline(time.Unix(1, 0))
}

func (w *watch) close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}

// parseEvents reads struct inotify_event as inotify(7) has it.
func parseEvents(data []byte, take func(event)) {
	for len(data) >= unix.SizeofInotifyEvent {
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(data[12:]))
		if size > len(data) {
			return
		}
		name, _, _ := bytes.Cut(data[unix.SizeofInotifyEvent:size], []byte{0})
		take(event{int(int32(binary.NativeEndian.Uint32(data))), binary.NativeEndian.Uint32(data[4:]), string(name)})
		data = data[size:]
	}
}
