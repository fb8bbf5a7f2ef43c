// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

// stamp is the time of every entry: the earliest one a zip can hold. When things happened is said inside the files.
var stamp = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// WriteArchive saves files, given by their path inside the bundle, under name: as a zip, tar.gz (or tgz) or txtar by
// its extension, as a folder when it has none. The same files give the same bytes. Files are readable by their owner
// only. It appears under its name whole or not at all: a file of that name is replaced, a folder only when it is empty.
// What OpenArchive would refuse is not written. A txtar ends every file with a newline and cannot hold one that
// contains a marker line of its own.
func WriteArchive(name string, files map[string][]byte) error {
	if err := writeArchive(filepath.Clean(name), files); err != nil {
		return fmt.Errorf("write bundle %s: %w", name, err)
	}
	return nil
}

func writeArchive(name string, files map[string][]byte) error {
	if err := checkFiles(files); err != nil {
		return err
	}
	base := strings.ToLower(filepath.Base(name))
	switch {
	case strings.HasSuffix(base, ".zip"):
		return replaceFile(name, files, WriteZip)
	case strings.HasSuffix(base, ".tar.gz"), strings.HasSuffix(base, ".tgz"):
		return replaceFile(name, files, writeTarGz)
	case strings.HasSuffix(base, ".txtar"):
		return replaceFile(name, files, writeTxtar)
	case filepath.Ext(base) == "":
		return replaceFolder(name, files)
	}
	return fmt.Errorf("unknown extension %q; use .zip, .tar.gz, .txtar or none for a folder", filepath.Ext(base))
}

// checkFiles holds what is to be written to the limits of what can be read.
func checkFiles(files map[string][]byte) error {
	in := newIntake(0)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		clean, err := in.admit(name)
		if err != nil {
			return err
		}
		if clean != name {
			return entryError(name, "path is not clean")
		}
		if err := in.keep(name, files[name]); err != nil {
			return err
		}
	}
	_, err := in.fsys()
	return err
}

// replaceFile writes beside the name and renames, so that no reader ever sees half a bundle.
func replaceFile(name string, files map[string][]byte, write func(io.Writer, map[string][]byte) error) error {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return errors.New("exists and is not a plain file; choose another name")
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".inquest-*")
	if err != nil {
		return plainCause(err)
	}
	err = errors.Join(write(f, files), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// replaceFolder fills a folder beside the name and renames it.
func replaceFolder(name string, files map[string][]byte) error {
	info, err := os.Lstat(name)
	if err == nil && !info.IsDir() {
		return errors.New("exists and is not a folder; choose another name")
	}
	if err == nil && os.Remove(name) != nil {
		return errors.New("exists and is not empty; choose another name")
	}
	dir, err := os.MkdirTemp(filepath.Dir(name), ".inquest-*")
	if err != nil {
		return plainCause(err)
	}
	err = fillFolder(dir, files)
	if err == nil {
		err = os.Rename(dir, name)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

func fillFolder(dir string, files map[string][]byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
			return err
		}
		if err := root.WriteFile(name, files[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// WriteZip writes files, given by their path inside the bundle, as a zip. The same files give the same bytes.
// It does not check names or sizes; WriteArchive does.
func WriteZip(w io.Writer, files map[string][]byte) error {
	zw := zip.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: stamp}
		h.SetMode(fs.FileMode(0o600))
		entry, err := zw.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := entry.Write(files[name]); err != nil {
			return err
		}
	}
	return zw.Close()
}

func writeTarGz(w io.Writer, files map[string][]byte) error {
	gz := gzip.NewWriter(w)
	tw := tar.NewWriter(gz)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name])), ModTime: stamp}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(files[name]); err != nil {
			return err
		}
	}
	return errors.Join(tw.Close(), gz.Close())
}

func writeTxtar(w io.Writer, files map[string][]byte) error {
	ar := new(txtar.Archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for line := range bytes.Lines(files[name]) {
			if isMarker(line) {
				return entryError(name, "has a line that a txtar takes for the start of a file; use .zip")
			}
		}
		ar.Files = append(ar.Files, txtar.File{Name: name, Data: files[name]})
	}
	_, err := w.Write(txtar.Format(ar))
	return err
}
