// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/tools/txtar"
)

// readFolder takes every file below the folder. Links are refused, and os.Root sees to it that none is followed
// even when one is put in place while this runs.
func readFolder(in *intake, name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return plainCause(err)
	}
	defer root.Close()
	return readSubfolder(in, root, ".")
}

func readSubfolder(in *intake, root *os.Root, dir string) error {
	entries, err := listFolder(root, dir, maxEntries)
	if err != nil {
		return fmt.Errorf("entry %q: %w", dir, plainCause(err))
	}
	for _, e := range entries {
		name, err := in.admit(path.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			err = readSubfolder(in, root, name)
		case e.Type().IsRegular():
			err = readFile(in, root, name)
		default:
			err = entryError(name, "neither a plain file nor a folder")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listFolder reads a folder, but never more of it than decides that it is too large.
func listFolder(root *os.Root, dir string, most int) ([]fs.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(most + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func readFile(in *intake, root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, plainCause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, plainCause(err))
	}
	return in.take(name, info.Size(), f)
}

// readZip takes every file of a zip.
func readZip(in *intake, r *io.SectionReader) error {
	return eachZipped(r, zipLimits{maxDirectoryBytes, maxEntries, in.packed}, func(f *zip.File) error { return readZipEntry(in, f) })
}

// zipLimits bound a zip: the bytes of its list of contents, its entries, and the bytes that these may claim, which are
// those of the archive.
type zipLimits struct {
	directory int64
	entries   int
	packed    int64
}

// eachZipped calls do for every entry of a zip. Its list of contents may promise anything: the list is bounded before it
// is parsed, and entries that share their bytes, as the densest bombs do, claim more than the archive has.
func eachZipped(r *io.SectionReader, most zipLimits, do func(*zip.File) error) error {
	capped := &cappedReaderAt{r: r, left: most.directory}
	zr, err := zip.NewReader(capped, r.Size())
	if errors.Is(err, errDirectory) || err == nil && len(zr.File) > most.entries {
		return fmt.Errorf("more than %d entries", most.entries)
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return err
	}
	capped.left = 1 << 62
	packed := uint64(most.packed)
	for _, f := range zr.File {
		if f.CompressedSize64 > packed {
			return entryError(f.Name, "claims bytes that belong to other entries")
		}
		packed -= f.CompressedSize64
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

func readZipEntry(in *intake, f *zip.File) error {
	name, err := in.admit(f.Name)
	if err != nil || f.Mode().IsDir() {
		return err
	}
	if !f.Mode().IsRegular() {
		return entryError(name, "neither a plain file nor a folder")
	}
	if f.Flags&1 != 0 {
		return entryError(name, "encrypted")
	}
	if f.UncompressedSize64 > maxFileBytes {
		return entryError(name, fmt.Sprintf("%d bytes, more than the %d a file may have", f.UncompressedSize64, maxFileBytes))
	}
	rc, err := f.Open()
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	defer rc.Close()
	return in.take(name, int64(f.UncompressedSize64), rc)
}

var errDirectory = errors.New("list of contents too large")

// A cappedReaderAt fails once more than left bytes were asked of it.
type cappedReaderAt struct {
	r    io.ReaderAt
	left int64
}

func (c *cappedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	c.left -= int64(len(p))
	if c.left < 0 {
		return 0, errDirectory
	}
	return c.r.ReadAt(p, off)
}

func readPlainTar(in *intake, r *io.SectionReader) error { return readTar(in, r) }

func readTarGz(in *intake, r *io.SectionReader) error {
	gz, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	return readTar(in, &cappedReader{r: gz, left: maxArchiveBytes})
}

// readTar takes every file of a tar. A sparse entry counts with the size it unpacks to.
func readTar(in *intake, r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		if err := readTarEntry(in, h, tr); err != nil {
			return err
		}
	}
}

func readTarEntry(in *intake, h *tar.Header, r io.Reader) error {
	name, err := in.admit(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	case tar.TypeReg:
		return in.take(name, h.Size, r)
	}
	return entryError(name, "neither a plain file nor a folder")
}

var errStream = fmt.Errorf("unpacks to more than the %d bytes a bundle may have", maxArchiveBytes)

// A cappedReader fails once more than left bytes were read from it.
type cappedReader struct {
	r    io.Reader
	left int64
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errStream
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// readTxtar takes every file of a txtar. Its names are counted before it is parsed, since a name costs six bytes in
// the file and forty in memory.
func readTxtar(in *intake, r *io.SectionReader) error {
	if r.Size() > maxTotalBytes {
		return fmt.Errorf("%d bytes, more than the %d a txtar may have", r.Size(), maxTotalBytes)
	}
	data := make([]byte, r.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return plainCause(err)
	}
	markers := 0
	for line := range bytes.Lines(data) {
		if isMarker(line) {
			markers++
		}
	}
	if markers > maxEntries {
		return fmt.Errorf("more than %d entries", maxEntries)
	}
	for _, f := range txtar.Parse(data).Files {
		name, err := in.admit(f.Name)
		if err != nil {
			return err
		}
		if err := in.keep(name, f.Data); err != nil {
			return err
		}
	}
	return nil
}

// isMarker says whether a line starts a file in a txtar: "-- name --".
func isMarker(line []byte) bool {
	return bytes.HasPrefix(line, []byte("-- ")) && bytes.HasSuffix(bytes.TrimRight(line, "\r\n"), []byte(" --"))
}
