// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxLine bounds one line of a file; what lies beyond is left out.
const maxLine = 8 << 10

// A file follows a log that the node keeps of its kernel, in any of the forms that package hostlog knows, over its rotation.
type file struct {
	r     *Reader
	path  string
	f     *os.File
	inode uint64
	buf   [32 << 10]byte
	line  []byte // the beginning of one that is not complete
	size  int64  // of that, with what was left out

	started bool
	leaving bool // another file has the name; what is still written to this one is read until the next look
}

func openFile(r *Reader, path string) (*file, error) {
	f := &file{r: r, path: path}
	if err := f.open(); err != nil {
		return nil, err
	}
	if r.at.Inode == f.inode {
		if info, err := f.f.Stat(); err == nil && r.at.Offset <= info.Size() {
			_, err = f.f.Seek(r.at.Offset, io.SeekStart)
			return f, err
		}
	}
	r.at.Inode, r.at.Offset = f.inode, 0
	return f, nil
}

// open opens the file that has the name now.
func (f *file) open() error {
	fd, err := unix.Open(f.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", f.path, err)
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("open %s: %w", f.path, err)
	}
	f.f, f.inode = os.NewFile(uintptr(fd), f.path), st.Ino
	return nil
}

func (f *file) close() { f.f.Close() }

// read looks once a second for what has been added.
func (f *file) read(ctx context.Context, _ time.Duration) (int, error) {
	if f.started {
		select {
		case <-ctx.Done():
			return 0, nil
		case <-time.After(quiet):
		}
	}
	f.started = true
	n, err := f.added(ctx)
	if err != nil || ctx.Err() != nil {
		return n, err
	}
	turned, err := f.turned()
	if !turned || err != nil {
		return n, err
	}
	more, err := f.added(ctx)
	return n + more, err
}

// added reads to the end of the file.
func (f *file) added(ctx context.Context) (n int, err error) {
	for ctx.Err() == nil {
		got, err := f.f.Read(f.buf[:])
		n += f.lines(f.buf[:got])
		f.r.tell(time.Now())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// lines takes the lines that are complete.
func (f *file) lines(b []byte) (n int) {
	now := time.Now()
	for len(b) > 0 {
		part, rest, whole := bytes.Cut(b, []byte("\n"))
		f.line = append(f.line, part[:min(len(part), maxLine-len(f.line))]...)
		f.size += int64(len(part))
		if b = rest; !whole {
			break
		}
		f.r.counts.records.Add(1)
		f.r.follower.Add(string(bytes.TrimRight(f.line, "\r")), now)
		f.r.at.Offset += f.size + 1
		f.line, f.size = f.line[:0], 0
		n++
	}
	return n
}

// turned tells whether there is something new to read: another file has the name, or the same one was emptied.
func (f *file) turned() (bool, error) {
	old := f.f
	st, there := named(f.path)
	switch {
	case !there: // between two files
		return false, nil
	case st.Ino != f.inode && !f.leaving:
		f.leaving = true
		return false, nil
	case st.Ino != f.inode:
		f.leaving = false
		if err := f.open(); err != nil {
			return false, err
		}
		old.Close()
	case st.Size < f.r.at.Offset:
		f.r.miss(0, time.Now().UTC(), "the file was emptied while it was read")
		if _, err := f.f.Seek(0, io.SeekStart); err != nil {
			return false, err
		}
	default:
		return false, nil
	}
	f.line, f.size = f.line[:0], 0
	f.r.at.Inode, f.r.at.Offset = f.inode, 0
	return true, nil
}

// named looks at what has the name.
func named(path string) (st unix.Stat_t, there bool) {
	err := unix.Lstat(path, &st)
	return st, err == nil
}
