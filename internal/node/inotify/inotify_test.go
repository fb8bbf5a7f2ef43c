// SPDX-License-Identifier: Apache-2.0

package inotify_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/node/inotify"
)

func TestEvents(t *testing.T) {
	i, err := inotify.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}()
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	wd, err := i.Add(int(d.Fd()), unix.IN_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	mkdir := func(name string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mkdir("a")
	mkdir("bb")
	i.Remove(wd)
	mkdir("ccc")
	buf := make([]byte, 4096)
	n, err := i.File.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	inotify.Parse(buf[:n], func(e inotify.Event) {
		if e.Watch != wd {
			t.Errorf("an event of watch %d", e.Watch)
		}
		if e.Mask&unix.IN_CREATE != 0 {
			names = append(names, e.Name)
		}
	})
	if len(names) != 2 || names[0] != "a" || names[1] != "bb" {
		t.Errorf("made: %q", names)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, 40))
	f.Fuzz(func(_ *testing.T, data []byte) { inotify.Parse(data, func(inotify.Event) {}) })
}
