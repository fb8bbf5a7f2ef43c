// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package ring

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// disk mounts a file system of so many KiB for the time of a test.
func disk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes to a disk until nothing more fits.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	name := filepath.Join(dir, "full")
	f, err := os.Create(name)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	f.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpenOnAFullDisk: a ring whose disk is full is opened and read, also where it needs mending; what comes is counted until
// there is room, and no number is given twice.
func TestOpenOnAFullDisk(t *testing.T) {
	for name, harm := range map[string]func(files []string, dir string) error{
		"whole": func([]string, string) error { return nil },
		"damaged": func(files []string, _ string) error {
			return change(files[1], func(b []byte) []byte { b[50] ^= 1; return b })
		},
		"short":         func(files []string, _ string) error { return os.Truncate(files[len(files)-1], 0) },
		"power was cut": func(_ []string, dir string) error { return os.Truncate(filepath.Join(dir, alive), 0) },
	} {
		mount := disk(t, "256k")
		dir := filepath.Join(mount, "record")
		files := ringOf(t, dir, 100)
		if err := harm(files, dir); err != nil {
			t.Fatal(err)
		}
		empty := fill(t, mount)
		r := open(t, Options{Dir: dir, Segment: 4 << 10, Budget: 100 << 10})
		if list := all(t, r, 0); len(list) < 50 {
			t.Errorf("%s: %d entries can be read", name, len(list))
		}
		for n := range 200 {
			r.Tell(fact(n))
		}
		empty()
		seq, err := r.Append(fact(1))
		if err != nil || seq <= 100 {
			t.Errorf("%s: with room again an entry is number %d, %v", name, seq, err)
		}
		s := r.Stats()
		if why := strings.Join(gaps(all(t, r, 0)), "\n"); s.Lost > 0 && !strings.Contains(why, "could not be written") {
			t.Errorf("%s: %d are lost, gaps:\n%s", name, s.Lost, why)
		}
		closed(t, r)
	}
}

// TestOpenOnAReadOnlyDisk says so, and changes nothing.
func TestOpenOnAReadOnlyDisk(t *testing.T) {
	dir := disk(t, "256k")
	ringOf(t, dir, 10)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir, Node: "n1"}); !errors.Is(err, unix.EROFS) {
		t.Errorf("it gives %v", err)
	}
}
