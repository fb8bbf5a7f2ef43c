// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// maxFile is how much of one file is read: memory.stat, the longest, has some 2 KiB.
const maxFile = 16 << 10

// A layout says where below the root each controller has its hierarchy: everything in one with v2, each in its own with
// v1. A hybrid one is v1 with an empty v2 at "unified", which has nothing but pressure.
type layout struct {
	unified                          bool
	memory, cpu, acct, pids, pressed string
}

// layoutOf looks at what is mounted.
func layoutOf(root *os.Root) (layout, error) {
	if _, err := root.Stat("cgroup.controllers"); err == nil {
		return layout{true, ".", ".", ".", ".", "."}, nil
	}
	l := layout{memory: "memory", cpu: "cpu", acct: "cpuacct", pids: "pids", pressed: "unified"}
	if _, err := root.Stat(l.memory); err != nil {
		return l, fmt.Errorf("%s holds no control groups, neither v2 nor a memory hierarchy of v1: mount the host's /sys/fs/cgroup there", root.Name())
	}
	return l, nil
}

// A files is the directories of one control group, one for each hierarchy. They are kept open, so that a sample opens
// each file with one call, by a name that is a constant.
type files struct{ memory, cpu, acct, pids, pressed *os.File }

// open opens the directories of the group of this path. Only that of memory must be there.
func (l layout) open(root *os.Root, name string) (*files, error) {
	memory, err := root.Open(path.Join(l.memory, name))
	if err != nil {
		return nil, err
	}
	if l.unified {
		return &files{memory, memory, memory, memory, memory}, nil
	}
	f := &files{memory: memory}
	l.complete(root, name, f)
	return f, nil
}

// complete opens the directories of a group that were not there yet, and tells whether it found some: with v1 the runtime makes one after the
// other, and that of memory is not the last.
func (l layout) complete(root *os.Root, name string, f *files) (found bool) {
	for _, of := range []struct {
		in   string
		file **os.File
	}{{l.cpu, &f.cpu}, {l.acct, &f.acct}, {l.pids, &f.pids}, {l.pressed, &f.pressed}} {
		if *of.file != nil {
			continue
		}
		if d, err := root.Open(path.Join(of.in, name)); err == nil {
			*of.file, found = d, true
		}
	}
	return found
}

func (f *files) close() {
	for _, d := range []*os.File{f.memory, f.cpu, f.acct, f.pids, f.pressed} {
		if d != nil {
			_ = d.Close() // with v2 they are one, which is closed once
		}
	}
}

var errAbsent = errors.New("no such hierarchy or number")

// read reads a file of a directory into the buffer. The name is a constant of the caller; links are not followed.
func read(dir *os.File, name string, buffer []byte) ([]byte, error) {
	if dir == nil {
		return nil, errAbsent
	}
	fd, err := open(dir, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	n := 0
	for n < len(buffer) { // what a file of the kernel has comes in pages
		got, err := unix.Read(fd, buffer[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if got <= 0 {
			break
		}
		n += got
	}
	return buffer[:n], nil
}

// open opens a file of a directory, over signals.
func open(dir *os.File, name string) (fd int, err error) {
	for range 8 {
		fd, err = unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return fd, err
}

// children are the directories in one, as many as are bearable.
func children(dir *os.File) ([]string, error) {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var names []string
	for len(names) < mostChildren {
		entries, err := dir.ReadDir(256)
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return names, err
		}
	}
	return names, nil
}
