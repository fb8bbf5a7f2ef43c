// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kubeinquest/inquest/internal/record"
)

// A found is what a scan learned of a segment's file.
type found struct {
	segment
	damage bool  // lines that do not hold, or numbers that are missing, before its last whole entry
	tail   int64 // bytes after that
}

// mend looks at every line of every segment. Bytes after the last whole entry of all were being written when the agent
// ended, and are cut. Whatever else does not hold, or is not there, is replaced by a gap under the first of the numbers
// that it had, once and for all: who has read on sees nothing new, and who reads again learns what is missing.
func (r *Ring) mend(before life) error {
	all, err := r.scanAll()
	if err != nil {
		return err
	}
	for i, f := range all {
		last := i == len(all)-1
		if last && f.tail > 0 {
			if err := r.cut(f); err != nil {
				return err
			}
			r.stats.Torn, r.unsure, f.tail = f.tail, true, 0
		}
		end := f.last + 1 // the first number that is not this segment's to have
		if !last && all[i+1].first != end+leap {
			end = all[i+1].first
		}
		if last && before.Clean && before.Next > end {
			end, r.unsure = before.Next, false // it is known how many are missing
		}
		s, err := r.mended(f, end)
		if err != nil {
			return err
		}
		r.unsure = r.unsure || last && s.last+1 < end
		r.segments = append(r.segments, s)
	}
	return nil
}

// mended replaces a segment that needs it. On a disk that is full it stays as it is: who reads it learns that numbers are
// missing.
func (r *Ring) mended(f found, end uint64) (segment, error) {
	if !f.damage && f.tail == 0 && f.last+1 >= end {
		return f.segment, nil
	}
	s, err := r.rewrite(f, end)
	if errors.Is(err, syscall.ENOSPC) {
		_ = r.root.Remove(f.name() + ".new") // what is left of it is removed at the next start too
		return f.segment, nil
	}
	return s, err
}

// scanAll scans the segments in their order, and removes what a rewrite left behind.
func (r *Ring) scanAll() ([]found, error) {
	entries, err := fs.ReadDir(r.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var all []found
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), suffix+".new") {
			_ = r.root.Remove(entry.Name())
		}
		first, ok := parseName(entry.Name())
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		f, err := r.scan(segment{first: first, last: first - 1})
		if err != nil {
			return nil, err
		}
		if n := len(all); n > 0 && f.first <= all[n-1].last { // overlaps: left by an agent that could not remove it
			if f.last <= all[n-1].last {
				_ = r.root.Remove(entry.Name())
			}
			continue
		}
		all = append(all, f)
	}
	return all, nil
}

func (r *Ring) scan(s segment) (found, error) {
	in, err := r.root.Open(s.name())
	if err != nil {
		return found{}, err
	}
	defer in.Close()
	f := found{segment: s}
	var offset int64
	err = eachLine(in, func(data []byte, seq uint64, length int64) error {
		offset += length
		if data == nil || seq <= f.last {
			f.tail += length
			return nil
		}
		f.damage = f.damage || f.tail > 0 || seq > f.last+1
		f.marks = noted(f.marks, seq, offset-length)
		f.last, f.size, f.tail = covers(data, seq), offset, 0
		return nil
	})
	if err != nil { // the disk does not give the rest
		f.tail++
	}
	return f, nil
}

// eachLine calls do for each line of a segment, with its entry's JSON, nil where it does not hold, and its length.
func eachLine(in io.Reader, do func(data []byte, seq uint64, length int64) error) error {
	for l := newLines(in); ; {
		line, whole, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		length := int64(len(line))
		data, seq, ok := unseal(line)
		if whole {
			length++
		}
		if !ok || !whole {
			data = nil
		}
		if err := do(data, seq, length); err != nil {
			return err
		}
	}
}

// cut removes what stands after the last whole entry of a segment.
func (r *Ring) cut(f found) error {
	out, err := r.root.OpenFile(f.name(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Truncate(f.size); err != nil {
		return err
	}
	return out.Sync()
}

// rewrite replaces a segment's file by one that holds its whole entries and a gap wherever numbers below end are missing.
func (r *Ring) rewrite(f found, end uint64) (segment, error) {
	in, err := r.root.Open(f.name())
	if err != nil {
		return segment{}, err
	}
	defer in.Close()
	out, err := r.root.OpenFile(f.name()+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return segment{}, err
	}
	defer out.Close()
	w := rewriter{ring: r, out: bufio.NewWriter(out), is: segment{first: f.first, last: f.first - 1}}
	if err := errors.Join(eachLine(io.LimitReader(in, f.size), w.line), w.missing(end), w.out.Flush(), out.Sync()); err != nil {
		return segment{}, fmt.Errorf("mend %s: %w", f.name(), err)
	}
	return w.is, r.root.Rename(f.name()+".new", f.name())
}

// A rewriter writes a mended segment.
type rewriter struct {
	ring *Ring
	out  *bufio.Writer
	is   segment
}

func (w *rewriter) line(data []byte, seq uint64, _ int64) error {
	if data == nil || seq <= w.is.last {
		return nil
	}
	if err := w.missing(seq); err != nil {
		return err
	}
	e, ok := parse(data)
	if !ok {
		return w.missing(seq + 1)
	}
	return w.put(e)
}

// missing writes a gap for the numbers from the next one up to end.
func (w *rewriter) missing(end uint64) error {
	if w.is.last+1 >= end {
		return nil
	}
	count := int64(end - w.is.last - 1)
	e := w.ring.gap(time.Time{}, count, "records", damaged)
	e.Seq, e.At = w.is.last+1, w.ring.o.Now().UTC()
	w.ring.stats.Damaged += count
	return w.put(e)
}

func (w *rewriter) put(e record.Entry) error {
	line, err := seal(e)
	if err != nil {
		return err
	}
	w.is.marks = noted(w.is.marks, e.Seq, w.is.size)
	n, err := w.out.Write(line)
	w.is.last, w.is.size = coveredBy(e), w.is.size+int64(n)
	return err
}

// begin makes the last segment the one that is written to; the ring has one at least.
func (r *Ring) begin() error {
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if len(r.segments) == 0 {
		r.segments = []segment{{first: 1, last: 0}}
	}
	f, err := r.root.OpenFile(r.segments[len(r.segments)-1].name(), flags, 0o600)
	for errors.Is(err, syscall.ENOSPC) && len(r.segments) > 1 {
		r.drop()
		f, err = r.root.OpenFile(r.segments[len(r.segments)-1].name(), flags, 0o600)
	}
	if err != nil {
		return err
	}
	r.active = f
	for r.bytes() > r.o.Budget && len(r.segments) > 1 {
		r.drop()
	}
	r.segments = slices.Clip(r.segments)
	return nil
}

// lastTime is when the newest entry was taken; zero when there is none.
func (r *Ring) lastTime() time.Time {
	var at time.Time
	if len(r.segments) == 0 {
		return at
	}
	for e, err := range r.read(r.segments[len(r.segments)-1:], r.next()-1) {
		if err == nil {
			at = e.At
		}
	}
	return at
}
