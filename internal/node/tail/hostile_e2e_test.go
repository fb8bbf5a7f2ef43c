// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package tail

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// device makes a device, which only root can.
func device(name string, kind uint32, major, minor uint32) trap {
	return func(dir, _ string) error {
		return unix.Mknod(filepath.Join(dir, name), kind|0o666, int(unix.Mkdev(major, minor)))
	}
}

// foreign makes a log that is another user's.
func foreign(name string) trap {
	return func(dir, outside string) error {
		if err := named(name)(dir, outside); err != nil {
			return err
		}
		return os.Chown(filepath.Join(dir, name), 65534, 65534)
	}
}

// TestHostileAsRoot has what only root can make: devices, files of others and other file systems.
func TestHostileAsRoot(t *testing.T) {
	var mounted []string
	for name, set := range map[string]trap{
		"zero":                   device("1.log", unix.S_IFCHR, 1, 5),
		"kernel's log":           device("1.log", unix.S_IFCHR, 1, 11),
		"terminal":               device("1.log", unix.S_IFCHR, 5, 0),
		"watchdog":               device("1.log", unix.S_IFCHR, 10, 130),
		"loop":                   device("1.log.20260101-000000", unix.S_IFBLK, 7, 0),
		"another user's":         foreign("1.log"),
		"another user's, old":    foreign("1.log.20260101-000000"),
		"another user's, packed": foreign("1.log.20260101-000000.gz"),
		"file system": func(dir, _ string) error {
			at := filepath.Join(dir, "../mounted")
			if err := os.Mkdir(at, 0o755); err != nil {
				return err
			}
			if err := unix.Mount("tmpfs", at, "tmpfs", 0, "size=1m"); err != nil {
				return err
			}
			mounted = append(mounted, at)
			return named("0.log")(at, "")
		},
		"bound file": func(dir, outside string) error {
			at := filepath.Join(dir, "1.log")
			if err := os.WriteFile(at, nil, 0o644); err != nil {
				return err
			}
			mounted = append(mounted, at)
			return unix.Mount(filepath.Join(outside, "secret"), at, "", unix.MS_BIND, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, nil)
			outside := t.TempDir()
			n.must(os.WriteFile(filepath.Join(outside, "secret"), []byte(secret), 0o644))
			defer func() {
				for _, at := range mounted {
					n.must(unix.Unmount(at, unix.MNT_DETACH))
				}
				mounted = nil
			}()
			c := n.container()
			n.must(set(c.dir, outside))
			for range 3 {
				c.fill(10, "some text")
				n.until("the good log", n.has(c.seq-1))
			}
			n.none(c.seq)
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.seen[99999999] > 0 {
				t.Error("what is not a container's own log was read")
			}
		})
	}
}
