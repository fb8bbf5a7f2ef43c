// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/node/inotify"
)

// changes are what happens to the entries of a directory. Writes are not among them: each line of each container would
// be an event, and would cost more than reading it. What was written is found by looking at the open files in turn.
const changes = unix.IN_CREATE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_ONLYDIR

// A watch is one inotify instance. Without one (the limit of the user's instances is reached) it only waits.
type watch struct {
	inotify *inotify.Instance
	buf     []byte
}

func newWatch() (*watch, error) {
	i, err := inotify.New()
	if err != nil {
		return &watch{}, err
	}
	return &watch{i, make([]byte, 32<<10)}, nil
}

// add watches a directory.
func (w *watch) add(dir int) (int, error) {
	if w.inotify == nil {
		return -1, unix.ENOSPC
	}
	wd, err := w.inotify.Add(dir, changes)
	return int(wd), err
}

// remove ends the watching of a directory.
func (w *watch) remove(wd int) {
	if w.inotify != nil && wd >= 0 {
		w.inotify.Remove(int32(wd))
	}
}

// wait waits for changes, at most so long, hands them over, and tells whether those were all.
func (w *watch) wait(ctx context.Context, most time.Duration, take func(inotify.Event)) (all bool, err error) {
	if w.inotify == nil {
		select {
		case <-ctx.Done():
		case <-time.After(most):
		}
		return true, nil
	}
	n, err := unix.Read(w.inotify.FD, w.buf) // a deadline that has come would hide what is there
	if errors.Is(err, unix.EAGAIN) {
		n, err = w.sleep(ctx, most)
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, err
	}
	inotify.Parse(w.buf[:max(n, 0)], take)
	return n >= 0 && n+unix.SizeofInotifyEvent+unix.NAME_MAX < len(w.buf), nil
}

// sleep waits for the next changes.
func (w *watch) sleep(ctx context.Context, most time.Duration) (int, error) {
	if most <= 0 {
		return 0, nil
	}
	if err := w.inotify.File.SetReadDeadline(time.Now().Add(most)); err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done(): // what cancels sets the deadline too, maybe before it was set here
		return 0, nil
	default:
	}
	n, err := w.inotify.File.Read(w.buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

func (w *watch) wake() error {
	if w.inotify == nil {
		return nil
	}
	return w.inotify.File.SetReadDeadline(time.Unix(1, 0))
}

func (w *watch) close() error {
	if w.inotify == nil {
		return nil
	}
	return w.inotify.Close()
}
