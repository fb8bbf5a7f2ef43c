// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/tools/txtar"
)

// The limits of a bundle. A bundle is a file that somebody sent, so nothing in it is believed before it is measured.
// The largest honest bundle, fifty broken pods with three containers and 256 KiB of log each, is below 40 MiB.
const (
	// maxEntries bounds files and folders together: a thousand pods come to about five thousand.
	maxEntries = 10_000
	// maxTotalBytes bounds what all files hold: they stay in memory, a snapshot may copy them once, and the
	// garbage collector lets the heap double, which together stays within 256 MiB.
	maxTotalBytes = 64 << 20
	// maxFileBytes bounds one file: 64 times the log that is collected by default.
	maxFileBytes = 16 << 20
	// maxArchiveBytes bounds the archive on disk and the tar stream inside a gzip: all content, stored plainly, plus
	// three tar blocks for the header and the long name of each entry.
	maxArchiveBytes = maxTotalBytes + maxEntries*3*512
	// maxRatio bounds content by the size on disk. Logs compress 5 to 50 times; a bomb needs about 1000 times.
	maxRatio = 200
	// ratioFree is the content that is harmless at any ratio.
	ratioFree = 1 << 20
	// maxPathBytes leaves room for namespace, pod and container, 253 bytes at most each.
	maxPathBytes = 1024
	// maxPathDepth is three times the depth of logs/<ns>/<pod>/<container>/<attempt>.log.
	maxPathDepth = 16
	// maxDirectoryBytes bounds the list of contents of a zip: 10,000 entries of 46 bytes, their names and extra fields.
	maxDirectoryBytes = 8 << 20
)

// OpenArchive reads the bundle called name: a folder, a zip, a tar, a gzipped tar or a txtar, told apart by content.
// Everything is in memory when it returns, so nothing has to be closed and later changes on disk are not seen.
// Links, devices, paths that leave the bundle, repeated names and anything beyond the limits above are refused with
// an error that names the entry. A bundle packed together with its folder opens as if it had been packed without.
func OpenArchive(name string) (fs.FS, error) {
	fsys, err := openArchive(name)
	if err != nil {
		return nil, fmt.Errorf("read bundle %s: %w", name, err)
	}
	return fsys, nil
}

func openArchive(name string) (fs.FS, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, plainCause(err)
	}
	if info.IsDir() {
		in := newIntake(0)
		if err := readFolder(in, name); err != nil {
			return nil, err
		}
		return in.fsys()
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("neither a file nor a folder")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, plainCause(err)
	}
	defer f.Close()
	return readArchive(f, info.Size())
}

// readArchive reads an archive of any kind.
func readArchive(r io.ReaderAt, size int64) (fs.FS, error) {
	if size > maxArchiveBytes {
		return nil, fmt.Errorf("%d bytes, more than the %d a bundle may have", size, maxArchiveBytes)
	}
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, plainCause(err)
	}
	in := newIntake(size)
	if err := readerFor(head[:n])(in, io.NewSectionReader(r, 0, size)); err != nil {
		return nil, err
	}
	return in.fsys()
}

// archiveKind tells the kinds of archive apart by their first 512 bytes; "" for what is none of them.
func archiveKind(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return "zip"
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return "gzip"
	case len(head) >= 512 && bytes.HasPrefix(head[257:], []byte("ustar")):
		return "tar"
	}
	return ""
}

// readerFor returns how an archive is read. Anything without a signature may be a txtar.
func readerFor(head []byte) func(*intake, *io.SectionReader) error {
	switch archiveKind(head) {
	case "zip":
		return readZip
	case "gzip":
		return readTarGz
	case "tar":
		return readPlainTar
	}
	return readTxtar
}

// An intake gathers the files of one bundle and holds them to the limits.
type intake struct {
	packed  int64 // bytes on disk; 0 for a folder, which has no ratio
	entries int
	total   int64
	files   map[string][]byte
}

func newIntake(packed int64) *intake {
	return &intake{packed: packed, files: make(map[string][]byte)}
}

// admit counts one entry and returns its clean path, which is "." for the top folder.
func (in *intake) admit(raw string) (string, error) {
	in.entries++
	if in.entries > maxEntries {
		return "", fmt.Errorf("more than %d entries", maxEntries)
	}
	name, err := cleanPath(raw)
	if err != nil {
		return "", err
	}
	if _, dup := in.files[name]; dup {
		return "", entryError(raw, "name appears twice")
	}
	return name, nil
}

// cleanPath returns the path of an entry without what archives put around it, and refuses one that leaves the archive.
func cleanPath(raw string) (string, error) { return cleanPathDeep(raw, maxPathDepth) }

func cleanPathDeep(raw string, depth int) (string, error) {
	if len(raw) > maxPathBytes {
		return "", entryError(raw, fmt.Sprintf("path longer than %d bytes", maxPathBytes))
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
		return "", entryError(raw, "path holds a backslash or a control character")
	}
	name := strings.TrimSuffix(strings.TrimPrefix(raw, "./"), "/")
	if name == "" && raw != "" && raw[0] == '.' {
		name = "."
	}
	if !fs.ValidPath(name) {
		return "", entryError(raw, "path is not a plain path inside the bundle")
	}
	if strings.Count(name, "/") >= depth {
		return "", entryError(raw, fmt.Sprintf("more than %d folders deep", depth))
	}
	return name, nil
}

// take reads one file that was admitted. The size is what the archive claims, and is only believed where it is too large.
func (in *intake) take(name string, size int64, r io.Reader) error {
	if size > maxFileBytes {
		return entryError(name, fmt.Sprintf("%d bytes, more than the %d a file may have", size, maxFileBytes))
	}
	data, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, plainCause(err))
	}
	return in.keep(name, data)
}

// keep adds the content of a file that was admitted.
func (in *intake) keep(name string, data []byte) error {
	in.total += int64(len(data))
	switch {
	case len(data) > maxFileBytes:
		return entryError(name, fmt.Sprintf("more than the %d bytes a file may have", maxFileBytes))
	case in.total > maxTotalBytes:
		return entryError(name, fmt.Sprintf("with it, more than the %d bytes a bundle may hold", maxTotalBytes))
	case in.packed > 0 && in.total > ratioFree && in.total/maxRatio > in.packed:
		return entryError(name, fmt.Sprintf("unpacks to more than %d times the size of the archive", maxRatio))
	}
	in.files[name] = data
	return nil
}

// fsys returns what was taken as a file system.
func (in *intake) fsys() (fs.FS, error) {
	if len(in.files) == 0 {
		return nil, errors.New("no files in it; a bundle is a folder, zip, tar, tar.gz or txtar")
	}
	ar := new(txtar.Archive)
	for _, name := range slices.Sorted(maps.Keys(in.files)) {
		ar.Files = append(ar.Files, txtar.File{Name: name, Data: in.files[name]})
	}
	fsys, err := txtar.FS(ar)
	if err != nil {
		return nil, fmt.Errorf("a name is both a file and a folder: %w", err)
	}
	return unwrap(fsys)
}

// unwrap enters the only folder at the top when that is where the bundle's meta.yaml, or that of a case, lies.
func unwrap(fsys fs.FS) (fs.FS, error) {
	top, err := fs.ReadDir(fsys, ".")
	if err != nil || len(top) != 1 || !top[0].IsDir() {
		return fsys, err
	}
	for _, file := range []string{"meta.yaml", incidentFile} {
		if _, err := fs.Stat(fsys, top[0].Name()+"/"+file); err == nil {
			return fs.Sub(fsys, top[0].Name())
		}
	}
	return fsys, nil
}

// entryError names an entry in quotes and in brief: the name is as hostile as the rest.
func entryError(name, why string) error {
	return fmt.Errorf("entry %.200q: %s", name, why)
}

// plainCause drops operation and path from an error of the os package, which the caller has named already.
func plainCause(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
