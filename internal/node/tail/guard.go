// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A guard opens what lies in a directory that others may write to. Whoever can put a file there must not be able to
// have the agent read another one, open a device, or wait.
type guard struct {
	owner   uint32 // whose a file must be
	devices bool   // other file systems may be entered
}

// What is refused, by what it says in the log and in counters.
var (
	errKind   = errors.New("no regular file")
	errOwner  = errors.New("another owner")
	errLinks  = errors.New("more than one name")
	errDevice = errors.New("another file system")
	errMany   = errors.New("too many directories")
)

// An ident tells a file from all that exist at the same time. While it is held open its number is not used again.
type ident struct{ dev, ino uint64 }

func identOf(st *unix.Stat_t) ident { return ident{st.Dev, st.Ino} }

// at opens one entry of a directory. Where openat2 is not known or not allowed (Linux before 5.6, an older profile of
// seccomp), openat is as good but for mounts, because the name is a single one and is not followed.
func (g guard) at(dir int, name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	if !g.devices {
		how.Resolve |= unix.RESOLVE_NO_XDEV
	}
	for range 10 {
		fd, err := unix.Openat2(dir, name, &how)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN): // something was renamed meanwhile
			continue
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
			return unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		}
		return fd, err
	}
	return -1, unix.EAGAIN
}

// dir opens a directory for listing.
func (g guard) dir(parent int, name string) (int, ident, error) {
	fd, err := g.at(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return -1, ident{}, err
	}
	var st, above unix.Stat_t
	if err := errors.Join(unix.Fstat(fd, &st), unix.Fstat(parent, &above)); err != nil {
		return -1, ident{}, errors.Join(err, unix.Close(fd))
	}
	if !g.devices && st.Dev != above.Dev {
		return -1, ident{}, errors.Join(errDevice, unix.Close(fd))
	}
	return fd, identOf(&st), nil
}

// file opens a regular file. It is looked at through a descriptor that reads nothing (O_PATH), so that no driver of a
// device ever hears of it, and only then opened anew through that descriptor, which no rename can come between.
func (g guard) file(dir int, name string) (int, unix.Stat_t, error) {
	var st, above unix.Stat_t
	look, err := g.at(dir, name, unix.O_PATH)
	if err != nil {
		return -1, st, err
	}
	if err := errors.Join(unix.Fstat(look, &st), unix.Fstat(dir, &above)); err != nil {
		return -1, st, errors.Join(err, unix.Close(look))
	}
	if err := g.check(&st, &above); err != nil {
		return -1, st, errors.Join(err, unix.Close(look))
	}
	fd, err := unix.Open(self(look), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, st, errors.Join(fmt.Errorf("open what was found to be a file: %w", err), unix.Close(look))
	}
	return fd, st, unix.Close(look)
}

func (g guard) check(st, above *unix.Stat_t) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errKind
	case !g.devices && st.Dev != above.Dev:
		return errDevice
	case st.Uid != g.owner:
		return errOwner
	case st.Nlink > 1: // a second name for a file that lies elsewhere; the kubelet makes none
		return errLinks
	}
	return nil
}

func self(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// list returns the names in a directory, at most so many, and whether that is all.
func list(fd, most int) (names []string, all bool, err error) {
	if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
		return nil, false, err
	}
	buf := make([]byte, 8<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 || err != nil {
			return names, true, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
		if len(names) > most {
			return names[:most], false, nil
		}
	}
}

// statAt looks at one entry without opening it.
func statAt(dir int, name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// born tells when a file was made; where the file system does not know, when it was last changed in any way.
func born(fd int, st *unix.Stat_t) time.Time {
	var x unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &x); err != nil || x.Mask&unix.STATX_BTIME == 0 {
		return time.Unix(st.Ctim.Unix())
	}
	return time.Unix(x.Btime.Sec, int64(x.Btime.Nsec))
}

// pread reads at an offset, over interruptions.
func pread(fd int, buf []byte, at int64) (int, error) {
	for {
		n, err := unix.Pread(fd, buf, at)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), err
		}
	}
}
