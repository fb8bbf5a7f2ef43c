// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An event is one thing that inotify says.
type event struct {
	wd         int32
	name       string
	made, gone bool
	lost       bool // there were more than the kernel could keep
}

// A watch is an inotify instance. Directories are watched by their descriptors, not by paths.
type watch struct {
	inotify *os.File
	fd      int
	names   map[int32]string // path of a directory or group, by watch; of the reader's goroutine alone
}

func newWatch() (*watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w (raise fs.inotify.max_user_instances)", err)
	}
	return &watch{inotify: os.NewFile(uintptr(fd), "inotify"), fd: fd, names: map[int32]string{}}, nil
}

func (w *watch) close() { _ = w.inotify.Close() }

// wake ends read.
func (w *watch) wake() { _ = w.inotify.SetReadDeadline(time.Unix(1, 0)) }

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
	wd, err := unix.InotifyAddWatch(w.fd, fmt.Sprintf("/proc/self/fd/%d", fd), mask)
	if err != nil || wd <= 0 {
		return 0
	}
	w.names[int32(wd)] = name
	return int32(wd)
}

// remove ends a watch. That of a directory that is gone has ended by itself.
func (w *watch) remove(wd int32) {
	delete(w.names, wd)
	_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
}

// pause is how long events are gathered. Containers at their limits make a hundred a second each.
const pause = 10 * time.Millisecond

// read hands on what inotify says until the watch is closed.
func (w *watch) read(ctx context.Context, to chan<- []event) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := w.inotify.Read(buffer)
		if err != nil {
			return
		}
		select {
		case to <- events(buffer[:n]):
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

// events reads the kernel's records (inotify(7)).
func events(b []byte) []event {
	var list []event
	for len(b) >= unix.SizeofInotifyEvent {
		wd, mask, size := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:]), uint64(binary.NativeEndian.Uint32(b[12:]))
		b = b[unix.SizeofInotifyEvent:]
		name, _, _ := bytes.Cut(b[:min(size, uint64(len(b)))], []byte{0})
		b = b[min(size, uint64(len(b))):]
		list = append(list, event{
			wd: wd, name: string(name),
			made: mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0, gone: mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0,
			lost: mask&unix.IN_Q_OVERFLOW != 0,
		})
	}
	return list
}
