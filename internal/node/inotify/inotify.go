// SPDX-License-Identifier: Apache-2.0

// Package inotify is the kernel's inotify, on descriptors of files and directories: a path could mean another one by now.
package inotify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// An Event is one thing that inotify says.
type Event struct {
	Watch int32
	Mask  uint32
	Name  string // in a directory that is watched
}

// An Instance has watches. Reading its file gives what Parse takes.
type Instance struct {
	File *os.File
	FD   int
}

// New makes an instance.
func New() (*Instance, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w (raise fs.inotify.max_user_instances)", err)
	}
	return &Instance{os.NewFile(uintptr(fd), "inotify"), fd}, nil
}

// Add watches what a descriptor is of, for the events of the mask.
func (i *Instance) Add(fd int, mask uint32) (int32, error) {
	wd, err := unix.InotifyAddWatch(i.FD, fmt.Sprintf("/proc/self/fd/%d", fd), mask)
	return int32(wd), err
}

// Remove ends a watch. That of something that is gone has ended by itself.
func (i *Instance) Remove(wd int32) { _, _ = unix.InotifyRmWatch(i.FD, uint32(wd)) }

// Close ends all watches.
func (i *Instance) Close() error { return i.File.Close() }

// Parse reads the kernel's records, struct inotify_event of inotify(7).
func Parse(data []byte, take func(Event)) {
	for len(data) >= unix.SizeofInotifyEvent {
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(data[12:]))
		if size > len(data) {
			return
		}
		name, _, _ := bytes.Cut(data[unix.SizeofInotifyEvent:size], []byte{0})
		take(Event{int32(binary.NativeEndian.Uint32(data)), binary.NativeEndian.Uint32(data[4:]), string(name)})
		data = data[size:]
	}
}
