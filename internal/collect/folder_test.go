// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A hostileFolder is how a folder is made and what the refusal has to say.
type hostileFolder struct {
	name  string
	plant func(t *testing.T, dir string) error
	want  string
}

func hostileFolders() []hostileFolder {
	return []hostileFolder{
		{"nothing", func(*testing.T, string) error { return nil }, "no files in it"},
		{"link out", func(_ *testing.T, dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "a")) }, `entry "a": ` + special},
		{"link inside", func(t *testing.T, dir string) error {
			plant(t, dir, "meta.yaml")
			return os.Symlink("meta.yaml", filepath.Join(dir, "sub"))
		}, `entry "sub": ` + special},
		{"linked folder", func(_ *testing.T, dir string) error { return os.Symlink("/etc", filepath.Join(dir, "etc")) }, special},
		{"link to itself", func(_ *testing.T, dir string) error { return os.Symlink(".", filepath.Join(dir, "loop")) }, special},
		{"socket", func(t *testing.T, dir string) error {
			l, err := net.Listen("unix", filepath.Join(dir, "s"))
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		}, special},
		{"10 GiB sparse file", func(t *testing.T, dir string) error {
			plant(t, dir, "log")
			return os.Truncate(filepath.Join(dir, "log"), 10<<30)
		}, `entry "log": 10737418240 bytes, more than the 16777216 a file may have`},
		{"too deep", func(t *testing.T, dir string) error {
			plant(t, dir, strings.Repeat("d/", maxPathDepth)+"f")
			return nil
		}, "more than 16 folders deep"},
		{"escape in a name", func(t *testing.T, dir string) error {
			plant(t, dir, "a\x1b[2J")
			return nil
		}, `entry "a\x1b[2J": path holds a backslash or a control character`},
	}
}

func TestOpenArchiveRefusesHostileFolders(t *testing.T) {
	for _, tt := range hostileFolders() {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.plant(t, dir); err != nil {
				t.Fatal(err)
			}
			grown := allocated(func() {
				_, err := OpenArchive(dir)
				wantRefusal(t, err, filepath.Base(dir), tt.want)
			})
			if grown > 4*maxTotalBytes {
				t.Errorf("allocated %d MiB on the way to the refusal", grown>>20)
			}
		})
	}
}

func TestOpenArchiveRefusesOddNames(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "huge.tar")
	huge := filepath.Join(dir, "huge.tar")
	if err := os.Truncate(huge, 10<<30); err != nil {
		t.Fatal(err)
	}
	_, err := OpenArchive(huge)
	wantRefusal(t, err, huge, "10737418240 bytes, more than the 82468864 a bundle may have")
	_, err = OpenArchive(os.DevNull)
	wantRefusal(t, err, os.DevNull, "neither a file nor a folder")
	_, err = OpenArchive(filepath.Join(dir, "missing"))
	wantRefusal(t, err, "missing", "no such file or directory")
}

func TestReadFolderCounts(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a/b", "c")
	in := newIntake(0)
	in.entries = maxEntries - 2
	if err := readFolder(in, dir); err == nil || err.Error() != "more than 10000 entries" {
		t.Errorf("error %v", err)
	}
	in = newIntake(0)
	in.total = maxTotalBytes - 10
	if err := readFolder(in, dir); err == nil || err.Error() != `entry "c": with it, more than the 67108864 bytes a bundle may hold` {
		t.Errorf("error %v", err)
	}
}
