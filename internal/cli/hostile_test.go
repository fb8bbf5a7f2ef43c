// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// zipped returns a zip with one file of that name, which claims that size.
func zipped(t *testing.T, name string, claimed uint64) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Store, UncompressedSize64: claimed, CompressedSize64: 4, CRC32: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tarred returns a tar.gz that ends in the middle of its one file.
func tarred(t *testing.T, name string, claimed int64) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := tar.NewWriter(z).WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: claimed}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// laughs is a YAML text whose aliases stand for three billion words.
func laughs() []byte {
	text := "a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"
	for c := 'b'; c < 'k'; c++ {
		text += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 9) + "]\n"
	}
	return []byte(text)
}

// TestHostileInput gives what somebody may have sent to every door that takes it: each refuses in one line.
func TestHostileInput(t *testing.T) {
	const huge = 10 << 30
	bundle := func(object string) []byte {
		return []byte("-- meta.yaml --\nformat: 1\ntaken: 2026-08-24T10:06:00Z\n-- objects/shop/pod/a.yaml --\n" + object)
	}
	for _, x := range []struct {
		name, file string
		data       []byte
	}{
		{"corrupt zip", "a.zip", zipped(t, "meta.yaml", 4)},
		{"half a zip", "a.zip", zipped(t, "meta.yaml", 4)[:40]},
		{"zip slip", "a.zip", zipped(t, "../../../etc/cron.d/inquest", 4)},
		{"absolute path", "a.zip", zipped(t, "/etc/passwd", 4)},
		{"huge file in a zip", "a.zip", zipped(t, "meta.yaml", huge)},
		{"huge file in a tar", "a.tar.gz", tarred(t, "meta.yaml", huge)},
		{"tar slip", "a.tar.gz", tarred(t, "../meta.yaml", 4)},
		{"half a tar", "a.tar.gz", tarred(t, "meta.yaml", 4)},
		{"half a gzip", "a.tar.gz", tarred(t, "meta.yaml", 4)[:20]},
		{"txtar slip", "a.txtar", []byte("-- meta.yaml --\nformat: 1\n-- ../a --\n")},
		{"aliases in an object", "a.txtar", bundle(string(laughs()))},
		{"aliases in the meta file", "a.txtar", append([]byte("-- meta.yaml --\n"), laughs()...)},
		{"nested lists", "a.txtar", bundle("kind: Pod\nspec: " + strings.Repeat("[", 1<<20))},
		{"no UTF-8", "a.txtar", bundle("kind: Pod\nmetadata: {name: \"\xff\xfe\"}\n")},
		{"control characters", "a.txtar", bundle("kind: \x1b]0;owned\a\n")},
		{"text without an object", "a.yaml", laughs()},
		{"nothing", "a.yaml", nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), x.file)
			if err := os.WriteFile(file, x.data, 0o600); err != nil {
				t.Fatal(err)
			}
			refusesInput(t, nil, "why", "--from", file)
			refusesInput(t, bytes.NewReader(x.data), "why", "--from", "-")
			refusesInput(t, nil, "why", "-f", file, "--from", "testdata")
		})
	}
	t.Run("huge file of holes", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "a.zip")
		if err := os.WriteFile(file, zipped(t, "meta.yaml", 4), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, huge); err != nil {
			t.Fatal(err)
		}
		refusesInput(t, nil, "why", "--from", file)
	})
	t.Run("endless pipe", func(t *testing.T) { refusesInput(t, endless{}, "why", "--from", "-") })
	t.Run("endless archive", func(t *testing.T) {
		refusesInput(t, io.MultiReader(strings.NewReader("PK"), endless{}), "why", "--from", "-")
	})
}

// endless is a pipe that somebody forgot to end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// mostAllocated is how much memory a refusal may cost in all: the program as a whole may have that much at a time.
const mostAllocated = 256 << 20

func refusesInput(t *testing.T, stdin io.Reader, args ...string) {
	t.Helper()
	var before, after runtime.MemStats
	var out, notes bytes.Buffer
	runtime.ReadMemStats(&before)
	status := Main(t.Context(), args, stdin, &out, &notes)
	runtime.ReadMemStats(&after)
	message := notes.String()
	if status != 1 || out.Len() > 0 || !strings.HasPrefix(message, "error: ") || strings.Index(message, "\n") != len(message)-1 {
		t.Errorf("%s: exit status %d, %q, standard error %q", strings.Join(args, " "), status, out.String(), message)
	}
	if strings.ContainsAny(message, "\x1b\a\x00") || len(message) > 1000 {
		t.Errorf("%s: the message is not fit for a terminal: %q", strings.Join(args, " "), message)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > mostAllocated {
		t.Errorf("%s: it allocated %d MiB", strings.Join(args, " "), used>>20)
	}
}
