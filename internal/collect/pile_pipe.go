// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// maxPasted bounds an archive that is read from a pipe: as much as a bundle may be, because it stays in memory.
const maxPasted = maxArchiveBytes

// OpenPipe returns the evidence that somebody pipes in, in any form. Text is read when the first question is asked, and
// may be long; an archive has to be held in memory, so it may not.
func OpenPipe(r io.Reader, how Reading) (diagnosis.Source, error) {
	br := bufio.NewReaderSize(r, headBytes)
	first, err := br.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !isArchive(first) {
		return &Pile{Reading: how, files: walkPipe(br)}, nil
	}
	whole := make([]byte, maxPasted+1) // once: what is not filled costs no memory
	n, err := io.ReadFull(br, whole)
	switch {
	case err == nil:
		return nil, fmt.Errorf("an archive of more than the %d bytes that a pipe may have: save it to a file and name that with --from", maxPasted)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, err
	}
	data := bytes.NewReader(whole[:n])
	if archiveKind(first) == "gzip" && !isTarGz(data) {
		return &Pile{Reading: how, files: walkPipe(data)}, nil
	}
	fsys, err := readArchive(data, int64(n))
	if err == nil {
		if source, wrong := recordedIn(fsys, "", how); source != nil || wrong != nil {
			return source, wrong
		}
		return &Pile{Reading: how, files: walkFS(fsys), again: true}, nil
	}
	if archiveKind(first) == "" {
		return nil, err
	}
	files := walkArchive(data, int64(n), first)
	if hasMeta(files) {
		return nil, err
	}
	return &Pile{Reading: how, files: files, again: true}, nil
}

func walkPipe(r io.Reader) walk {
	return func(visit func(entry) error) error { return visit(entry{r: r}) }
}

// isArchive tells an archive from text: by its signature, and a txtar by that it holds the file that every bundle has,
// or begins with a file.
func isArchive(data []byte) bool {
	if archiveKind(data) != "" {
		return true
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return isMarker(line) || bytes.Contains(data, []byte("\n-- meta.yaml --\n"))
}

// isTarGz tells a compressed archive from a compressed text.
func isTarGz(r io.ReaderAt) bool {
	gz, err := gzip.NewReader(io.NewSectionReader(r, 0, 1<<40))
	if err != nil {
		return true // broken: the reader of archives says how
	}
	first := make([]byte, 512)
	n, err := io.ReadFull(gz, first)
	if err != nil && n == 0 {
		return true
	}
	return n == 512 && bytes.HasPrefix(first[257:], []byte("ustar"))
}
