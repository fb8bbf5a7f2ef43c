// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/node/inotify"
)

// A watch is an inotify instance that knows what each watch is of.
type watch struct {
	inotify *inotify.Instance
	names   map[int32]string // path of a directory or group, by watch; of the reader's goroutine alone
}

func newWatch() (*watch, error) {
	i, err := inotify.New()
	return &watch{i, map[int32]string{}}, err
}

func (w *watch) close() { _ = w.inotify.Close() }

// wake ends read.
func (w *watch) wake() { _ = w.inotify.File.SetReadDeadline(time.Unix(1, 0)) }

// dir watches a directory for directories that come and go. It returns 0 when the kernel will not have more watches: what
// comes is found by the next scan then.
func (w *watch) dir(d *os.File, name string) int32 {
	return w.add(int(d.Fd()), unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO|unix.IN_ONLYDIR, name)
}

// file watches a file in a directory for changes, which the kernel tells of cgroup v2's counters of events.
func (w *watch) file(d *os.File, file, name string) int32 {
	fd, err := open(d, file)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(fd) }()
	return w.add(fd, unix.IN_MODIFY, name)
}

func (w *watch) add(fd int, mask uint32, name string) int32 {
	wd, err := w.inotify.Add(fd, mask)
	if err != nil || wd <= 0 {
		return 0
	}
	w.names[wd] = name
	return wd
}

// remove ends a watch.
func (w *watch) remove(wd int32) {
	delete(w.names, wd)
	w.inotify.Remove(wd)
}

// pause is how long events are gathered. Containers at their limits make a hundred a second each.
const pause = 10 * time.Millisecond

// read hands on what inotify says until the watch is closed.
func (w *watch) read(ctx context.Context, to chan<- []inotify.Event) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := w.inotify.File.Read(buffer)
		if err != nil {
			return
		}
		var batch []inotify.Event
		inotify.Parse(buffer[:n], func(e inotify.Event) { batch = append(batch, e) })
		select {
		case to <- batch:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}
