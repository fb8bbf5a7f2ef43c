// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is a small bundle with the odd cases: an empty file, a name beyond the 100 bytes of an old tar header.
func sample() map[string][]byte {
	return map[string][]byte{
		"meta.yaml":                 []byte("format: 1\n"),
		"objects/shop/pod/web.yaml": []byte("kind: Pod\n"),
		"logs/shop/web/app/0.log":   []byte("hello\n"),
		"logs/shop/web/app/1.log":   {},
		"logs/" + strings.Repeat("n", 63) + "/" + strings.Repeat("p", 253) + "/app/0.log": []byte("long\n"),
	}
}

// contents reads all files below fsys.
func contents(t *testing.T, fsys fs.FS) map[string][]byte {
	t.Helper()
	got := make(map[string][]byte)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		got[name] = data
		return err
	})
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
	return got
}

func TestArchiveRoundTrip(t *testing.T) {
	for _, name := range []string{"case", "case.zip", "case.tar.gz", "case.tgz", "case.txtar", "CASE.ZIP"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := WriteArchive(path, sample()); err != nil {
				t.Fatal(err)
			}
			fsys, err := OpenArchive(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sample(), contents(t, fsys)); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
			left, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(left) != 1 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestArchiveSameBytes(t *testing.T) {
	for _, name := range []string{"a.zip", "a.tar.gz", "a.txtar"} {
		var last []byte
		for range 5 {
			path := filepath.Join(t.TempDir(), name)
			if err := WriteArchive(path, sample()); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if last != nil && !bytes.Equal(last, data) {
				t.Errorf("%s differs between two runs", name)
			}
			last = data
		}
	}
}

// The kind is told by content: a zip that was renamed still opens.
func TestOpenArchiveIgnoresExtension(t *testing.T) {
	for _, kind := range []string{".zip", ".tar.gz", ".txtar"} {
		dir := t.TempDir()
		if err := WriteArchive(filepath.Join(dir, "a"+kind), sample()); err != nil {
			t.Fatal(err)
		}
		renamed := filepath.Join(dir, "attachment.bin")
		if err := os.Rename(filepath.Join(dir, "a"+kind), renamed); err != nil {
			t.Fatal(err)
		}
		fsys, err := OpenArchive(renamed)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if diff := cmp.Diff(sample(), contents(t, fsys)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

func TestOpenArchiveEntersTopFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.zip")
	files := map[string][]byte{"case/meta.yaml": []byte("x"), "case/logs/a.log": []byte("y")}
	if err := WriteArchive(path, files); err != nil {
		t.Fatal(err)
	}
	fsys, err := OpenArchive(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"meta.yaml": []byte("x"), "logs/a.log": []byte("y")}
	if diff := cmp.Diff(want, contents(t, fsys)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWriteArchiveRefuses(t *testing.T) {
	one := map[string][]byte{"meta.yaml": []byte("x\n")}
	tests := []struct {
		name, file string
		files      map[string][]byte
		want       string
	}{
		{"extension", "case.rar", one, `unknown extension ".rar"; use .zip, .tar.gz, .txtar or none for a folder`},
		{"nothing", "case.zip", nil, "no files in it"},
		{"slip", "case.zip", map[string][]byte{"../x": nil}, `entry "../x": path is not a plain path inside the bundle`},
		{"unclean", "case.zip", map[string][]byte{"./x": nil}, `entry "./x": path is not clean`},
		{"file and folder", "case.zip", map[string][]byte{"a": nil, "a/b": nil}, "a name is both a file and a folder"},
		{"file too large", "case.zip", map[string][]byte{"a": make([]byte, maxFileBytes+1)}, `entry "a": more than the 16777216 bytes a file may have`},
		{"marker", "case.txtar", map[string][]byte{"a": []byte("x\n-- y --\n")}, "a line that a txtar takes for the start of a file"},
		{"full folder", "full", one, "exists and is not empty; choose another name"},
		{"file as folder", "plain", one, "exists and is not a folder; choose another name"},
		{"folder as file", "dir.zip", one, "exists and is not a plain file; choose another name"},
		{"no parent", "missing/case.zip", one, "no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, "full/kept", "plain")
			if err := os.Mkdir(filepath.Join(dir, "dir.zip"), 0o700); err != nil {
				t.Fatal(err)
			}
			before := contents(t, os.DirFS(dir))
			err := WriteArchive(filepath.Join(dir, tt.file), tt.files)
			wantRefusal(t, err, tt.file, tt.want)
			if diff := cmp.Diff(before, contents(t, os.DirFS(dir))); diff != "" {
				t.Errorf("a refusal changed the disk (-before +after):\n%s", diff)
			}
		})
	}
}

// An earlier file of the name and an empty folder of the name are replaced.
func TestWriteArchiveReplaces(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "case.zip")
	if err := os.Mkdir(filepath.Join(dir, "case"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"case.zip", "case"} {
		path := filepath.Join(dir, name)
		if err := WriteArchive(path, sample()); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenArchive(path); err != nil {
			t.Error(err)
		}
	}
}

// plant writes small files below dir.
func plant(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("planted\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// wantRefusal checks for an error of one line that names the file and holds want.
func wantRefusal(t *testing.T, err error, file, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Fatalf("accepted; want an error with %q", want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("error %q; want %q", err, want)
	case !strings.Contains(err.Error(), file):
		t.Errorf("error %q does not name %s", err, file)
	case strings.ContainsAny(err.Error(), "\n\r\x1b"):
		t.Errorf("error %q is not one plain line", err)
	}
}
