// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// The limits of a dump. What is in it is read through and not kept, so that it may be far larger than a bundle.
const (
	// maxDumpEntries bounds files and folders: a must-gather of a large cluster has some ten thousand.
	maxDumpEntries = 500_000
	// maxDumpBytes bounds what is read of one dump.
	maxDumpBytes = 64 << 30
	// maxDumpDepth: a must-gather puts logs ten folders deep.
	maxDumpDepth = 32
)

// A walk visits the files of what was given, in its order. It may be called again.
type walk func(visit func(entry) error) error

// A turnstile counts what a walk passes, and refuses what no honest dump has: links, devices, paths that lead out,
// names that come twice, and more than the limits.
type turnstile struct {
	packed  int64 // bytes on disk; 0 for a folder
	entries int
	total   int64
	names   map[string]bool
}

func (t *turnstile) admit(raw string) (string, error) {
	if t.entries++; t.entries > maxDumpEntries {
		return "", fmt.Errorf("more than %d entries", maxDumpEntries)
	}
	name, err := cleanPathDeep(raw, maxDumpDepth)
	if err != nil {
		return "", err
	}
	if t.names[name] && name != "." {
		return "", entryError(raw, "name appears twice")
	}
	t.names[name] = true
	return name, nil
}

// counted returns a reader that fails where too much comes out of what is on disk.
func (t *turnstile) counted(name string, r io.Reader) io.Reader { return &countedReader{t, name, r} }

type countedReader struct {
	t    *turnstile
	name string
	r    io.Reader
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.t.total += int64(n)
	switch {
	case c.t.total > maxDumpBytes:
		return n, entryError(c.name, fmt.Sprintf("with it, more than the %d bytes that are read", int64(maxDumpBytes)))
	case c.t.packed > 0 && c.t.total > ratioFree && c.t.total/maxRatio > c.t.packed:
		return n, entryError(c.name, fmt.Sprintf("unpacks to more than %d times the size of the archive", maxRatio))
	}
	return n, err
}

// walkFolder visits every file below a folder. Links are refused, and os.Root sees to it that none is followed.
func walkFolder(name string) walk {
	return func(visit func(entry) error) error {
		root, err := os.OpenRoot(name)
		if err != nil {
			return plainCause(err)
		}
		defer root.Close()
		t := &turnstile{names: map[string]bool{}}
		return walkSubfolder(t, root, ".", visit)
	}
}

func walkSubfolder(t *turnstile, root *os.Root, dir string, visit func(entry) error) error {
	entries, err := listFolder(root, dir, maxDumpEntries)
	if err != nil {
		return fmt.Errorf("entry %q: %w", dir, plainCause(err))
	}
	for _, e := range entries {
		name, err := t.admit(path.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			err = walkSubfolder(t, root, name, visit)
		case e.Type().IsRegular():
			err = visitFile(t, root, name, visit)
		default:
			err = entryError(name, "neither a plain file nor a folder")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func visitFile(t *turnstile, root *os.Root, name string, visit func(entry) error) error {
	f, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, plainCause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, plainCause(err))
	}
	return visit(entry{name, info.ModTime(), t.counted(name, f)})
}

// walkArchive visits every file of a zip, a tar or a compressed tar.
func walkArchive(r io.ReaderAt, size int64, first []byte) walk {
	return func(visit func(entry) error) error {
		t := &turnstile{packed: size, names: map[string]bool{}}
		section := io.NewSectionReader(r, 0, size)
		switch archiveKind(first) {
		case "zip":
			return walkZip(t, section, visit)
		case "gzip":
			gz, err := gzip.NewReader(section)
			if err != nil {
				return err
			}
			return walkTar(t, gz, visit)
		}
		return walkTar(t, section, visit)
	}
}

func walkZip(t *turnstile, r *io.SectionReader, visit func(entry) error) error {
	return eachZipped(r, zipLimits{8 * maxDirectoryBytes, maxDumpEntries, t.packed}, func(f *zip.File) error { return walkZipEntry(t, f, visit) })
}

func walkZipEntry(t *turnstile, f *zip.File, visit func(entry) error) error {
	name, err := t.admit(f.Name)
	if err != nil || f.Mode().IsDir() {
		return err
	}
	switch {
	case !f.Mode().IsRegular():
		return entryError(name, "neither a plain file nor a folder")
	case f.Flags&1 != 0:
		return entryError(name, "encrypted")
	}
	rc, err := f.Open()
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	defer rc.Close()
	return visit(entry{name, f.Modified, t.counted(name, rc)})
}

func walkTar(t *turnstile, r io.Reader, visit func(entry) error) error {
	tr := tar.NewReader(t.counted("the archive", r))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		name, err := t.admit(h.Name)
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg:
		default:
			return entryError(name, "neither a plain file nor a folder")
		}
		if err := visit(entry{name, h.ModTime, tr}); err != nil {
			return err
		}
	}
}

// walkFS visits every file of a file system that is in memory.
func walkFS(fsys fs.FS) walk {
	return func(visit func(entry) error) error {
		return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := fsys.Open(name)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // it is in memory
			return visit(entry{name: name, r: f})
		})
	}
}

// walkFile visits one file.
func walkFile(name string) walk {
	return func(visit func(entry) error) error {
		f, err := os.Open(name)
		if err != nil {
			return plainCause(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return plainCause(err)
		}
		return visit(entry{path.Base(name), info.ModTime(), f})
	}
}
