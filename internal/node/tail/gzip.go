// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"time"
)

// mostUnpacked bounds what is read of one compressed log. The kubelet makes them of files of containerLogMaxSize, 10 MiB
// unless it is configured; a few kilobytes of gzip can be made to unpack to gigabytes.
const mostUnpacked = 256 << 20

// A descriptor reads an open file at offsets.
type descriptor int

func (d descriptor) ReadAt(buf []byte, at int64) (int, error) {
	n, err := pread(int(d), buf, at)
	if err == nil && n < len(buf) {
		err = io.EOF
	}
	return n, err
}

func unpack(fd int) (*gzip.Reader, error) {
	return gzip.NewReader(bufio.NewReaderSize(io.NewSectionReader(descriptor(fd), 0, mostUnpacked), 32<<10))
}

func (f *file) peekGzip(head []byte) []byte {
	gz, err := unpack(f.fd)
	if err != nil {
		return nil
	}
	n, err := io.ReadFull(gz, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return head[:n]
}

// pollGzip reads on in a compressed file. Its plain form was never seen, or not to its end.
func (r *Reader) pollGzip(f *file, now time.Time) (more bool) {
	if f.eof || f.again {
		f.eof = true
		return false
	}
	if f.gz == nil {
		var err error
		if f.gz, err = unpack(f.fd); err != nil {
			r.broken(f)
			return false
		}
		r.stats.Gzip++
	}
	f.due = now.Add(busy)
	if r.tokens <= 0 {
		return false
	}
	n, err := io.ReadFull(f.gz, r.buf[:chunkSize])
	r.unpacked(f, r.buf[:n])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && n > 0 && f.whole():
		f.eof, f.gz = true, nil
	case err != nil:
		r.broken(f)
	case f.pos >= mostUnpacked:
		r.stats.Refused++
		f.eof, f.gz = true, nil
	}
	return !f.eof
}

// whole tells an end that was expected from one in the middle: both make a short read.
func (f *file) whole() bool {
	var one [1]byte
	_, err := f.gz.Read(one[:])
	return errors.Is(err, io.EOF)
}

func (r *Reader) broken(f *file) {
	r.stats.Failed++
	f.eof, f.gz = true, nil
	r.gap(f.dir.pod.uid, f.run.of, 0, "bytes", "a compressed log could not be unpacked")
}

// unpacked takes what was not read before the file was compressed.
func (r *Reader) unpacked(f *file, data []byte) {
	if f.pos == 0 {
		r.writeHead(f, data[:min(len(data), headSize)])
	}
	had := min(max(f.skip-f.pos, 0), int64(len(data)))
	f.pos += had
	r.tokens -= had
	if int64(len(data)) > had {
		r.take(f, data[had:])
	}
}
