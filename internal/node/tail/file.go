// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bytes"
	"compress/gzip"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A file is one log file. It is held open until it is read to its end and nothing more is to come.
type file struct {
	id      ident
	dir     *dir
	run     *run
	name    logName
	fd      int           // -1: put aside, complete up to pos
	size    int64         // it had then
	changed unix.Timespec // and when it was last written to
	gzipped bool
	gz      *gzip.Reader
	mark              // where the reading is
	skip    int64     // of a compressed file: what was read of it before it was compressed
	copied  *file     // the file that this one is a copy of, and which gives the same bytes better
	copyGen int       // its gen then
	placed  bool      // it is known where to begin
	claimed bool      // it was a copy, and gives the rest of what was truncated
	again   bool      // it has nothing that was not had from another one
	gen     int       // how often it was truncated
	gone    bool      // it has no name any more
	strayed time.Time // it was not listed then, but has a name
	eof     bool      // the last look found nothing new
	grew    time.Time
	due     time.Time
	pause   time.Duration
}

// A mark is a position in a file, with enough of what was there to know it again: by the bytes before the position
// whether it is still that file, and by its first bytes what is a copy of it.
type mark struct {
	pos    int64
	serial uint64 // Chunk.File
	last   []byte // up to overlap bytes before pos
	head   []byte // the first bytes of the file, up to headMark
}

const (
	headMark    = 64
	leastMark   = 32 // first bytes that are fewer do not tell a file from another; a time stamp is 30 long
	afterGone   = time.Second
	afterWriter = time.Minute // a removed file may still be written to until the runtime opens another
)

// begins tells whether a file with this head is the marked one or a copy.
func (m *mark) begins(head []byte) bool {
	return len(m.head) >= leastMark && len(head) >= len(m.head) && bytes.Equal(m.head, head[:len(m.head)])
}

// discover opens a file that was not known.
func (r *Reader) discover(d *dir, s seen) {
	if s.gzipped && d.known[s.suffix] { // its plain form was read, or is open
		d.files[identOf(&s.st)] = &file{id: identOf(&s.st), dir: d, name: s.logName, fd: -1, size: s.st.Size, changed: s.st.Mtim, gzipped: true}
		return
	}
	if len(r.files) >= maxOpen {
		r.stats.Unread++
		return
	}
	fd, st, err := r.guard.file(d.fd, s.entry)
	if errors.Is(err, unix.ENOENT) { // renamed or removed just now
		r.mark(d)
		return
	}
	if err != nil {
		d.opened(s.attempt, time.Unix(s.st.Ctim.Unix()))
		r.refuse(err)
		return
	}
	r.serial++
	now := r.o.Now()
	f := &file{
		id: identOf(&st), dir: d, name: s.logName, fd: fd, gzipped: s.gzipped,
		grew: now, due: now, pause: busy, mark: mark{serial: r.serial, last: make([]byte, 0, overlap)},
	}
	if d.files[f.id] != nil { // replaced meanwhile by one that is known
		r.closed(unix.Close(fd))
		return
	}
	f.run = r.runOf(d, s.attempt)
	if s.live() && len(f.run.files) > 0 {
		r.stats.Rotations++
		f.run.hurry()
	}
	d.files[f.id] = f
	if !s.gzipped {
		d.know(s.suffix)
	}
	f.run.files, f.run.opened = append(f.run.files, f), true
	r.files = append(r.files, f)
	r.place(f, now)
	if !f.gzipped || f.pos+f.skip == 0 && f.copied == nil { // else it was opened while it was plain
		d.opened(s.attempt, born(fd, &st))
	}
}

// place finds where the reading of a new file begins. A copy that is being made may not have enough yet to tell that it
// is one.
func (r *Reader) place(f *file, now time.Time) {
	var st unix.Stat_t
	head := f.peek()
	if err := unix.Fstat(f.fd, &st); err != nil || !f.name.live() && !f.gone && len(head) < headMark && now.Sub(f.grew) < remember {
		f.due = now.Add(busy)
		return
	}
	f.placed = true
	switch {
	case f.run.resume(f, head):
	case !f.name.live() && f.run.copies(f, head):
	case r.fresh && !r.o.All: // what is on disk can be had from there, and is none of this agent's time
		f.jump(st.Size)
		f.run.early = f.run.early || !f.name.live()
		f.again = f.gzipped
	default:
		f.head = head
	}
	if f.gzipped {
		f.skip, f.pos = f.pos, 0
	}
}

// peek reads the first bytes of a file.
func (f *file) peek() []byte {
	head := make([]byte, headMark)
	if f.gzipped {
		return f.peekGzip(head)
	}
	n, err := pread(f.fd, head, 0)
	if err != nil {
		return nil
	}
	return head[:n]
}

// jump goes to a position without reading what is before.
func (f *file) jump(to int64) {
	last := make([]byte, min(to, overlap))
	n, err := pread(f.fd, last, to-int64(len(last)))
	if err != nil || n < len(last) { // it has become shorter, which the next look will find
		last = last[:0]
	}
	if f.pos == 0 && to > 0 {
		f.head = append(f.head[:0], f.peek()...)
	}
	f.pos, f.last = to, append(f.last[:0], last...)
}

// poll reads on, at most one buffer full, and tells whether there may be more.
func (r *Reader) poll(f *file, now time.Time) (more bool) {
	if !f.placed {
		r.place(f, now)
		return f.placed
	}
	if f.copied != nil && !r.release(f) {
		f.due = now.Add(busy)
		return false
	}
	if f.gzipped {
		return r.pollGzip(f, now)
	}
	if r.tokens <= 0 {
		r.shed(f)
		f.eof, f.pause, f.due = false, busy, now.Add(busy)
		return false
	}
	n, err := pread(f.fd, r.buf, f.pos-int64(len(f.last)))
	if err != nil {
		r.stats.Failed++
		f.gone = true
		n = len(f.last)
	}
	back := len(f.last)
	if f.claimed && f.differs(r.buf[:n]) { // it was made before all of it was written
		f.rest(now)
		return false
	}
	if err == nil && f.differs(r.buf[:n]) {
		r.truncated(f)
		f.due = now
		return true
	}
	if data := r.buf[back:n]; len(data) > 0 {
		return r.fill(f, r.buf[:n], back, now)
	}
	f.rest(now)
	return false
}

// differs tells whether a file is not any more what it was, by what is read just before the position.
func (f *file) differs(buf []byte) bool {
	if f.pos == 0 {
		return !bytes.HasPrefix(buf, f.head)
	}
	return len(f.last) == 0 || !bytes.HasPrefix(buf, f.last)
}

// hurry has a file looked at in this turn, whatever was found before.
func (f *file) hurry() {
	f.due, f.pause, f.eof = time.Time{}, busy, f.eof && f.gzipped
}

// rest sets when a file is looked at again in which there was nothing new.
func (f *file) rest(now time.Time) {
	f.eof = true
	if f.pause *= 2; f.pause > idle {
		f.pause = idle
	}
	if f.gone || f.run.ended {
		f.pause = min(f.pause, afterGone)
	}
	f.due = now.Add(f.pause)
}

// fill takes what was read, and sees to what is too much.
func (r *Reader) fill(f *file, buf []byte, back int, now time.Time) (more bool) {
	if buf[back] == 0 && len(buf) == len(r.buf) && r.hole(f) {
		return true
	}
	r.take(f, buf[back:])
	f.last = append(f.last[:0], buf[max(0, len(buf)-overlap):]...)
	f.eof, f.grew, f.pause, f.due = false, now, busy, now.Add(busy)
	return len(buf) == len(r.buf)
}

// take counts what was read and hands it on.
func (r *Reader) take(f *file, data []byte) {
	if had := int64(len(f.head)); had < headMark && f.pos <= had {
		f.head = append(f.head[:f.pos], data[:min(int64(len(data)), headMark-f.pos)]...)
	}
	if r.o.Sink != nil {
		r.o.Sink(Chunk{f.run.key, f.serial, f.pos, data})
	}
	f.pos += int64(len(data))
	r.tokens -= int64(len(data))
	r.stats.Bytes += int64(len(data))
	r.stats.Lines += int64(bytes.Count(data, newline))
	if !f.run.headKept && f.pos >= headSize && !f.gzipped {
		r.keepHead(f)
	}
}

var newline = []byte{'\n'}

// hole skips what was never written: a file may be made of terabytes of it.
func (r *Reader) hole(f *file) bool {
	next, err := unix.Seek(f.fd, f.pos, unix.SEEK_DATA)
	if err != nil { // nothing but a hole up to the end
		var st unix.Stat_t
		if unix.Fstat(f.fd, &st) != nil {
			return false
		}
		next = st.Size
	}
	if next < f.pos+chunkSize {
		return false
	}
	r.stats.Holes += next - f.pos
	f.jump(next)
	return true
}

// shed skips what is far behind, when more is written than may be read.
func (r *Reader) shed(f *file) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil || st.Size-f.pos < farBehind {
		return
	}
	to := st.Size - chunkSize
	r.stats.Shed += to - f.pos
	f.run.shed += to - f.pos
	f.jump(to)
}

// truncated begins a file anew. Where its first bytes are the same it was only cut at its end.
func (r *Reader) truncated(f *file) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		st.Size = 0
	}
	old := f.mark
	if head := f.peek(); old.begins(head) && st.Size < old.pos {
		f.jump(st.Size)
		return
	}
	r.stats.Truncated++
	r.serial++
	f.gen++
	f.mark = mark{serial: r.serial, last: make([]byte, 0, overlap)}
	f.run.cut(old)
	for _, g := range slices.Clone(f.run.files) {
		if g.copied == f {
			r.release(g)
		}
	}
	r.mark(f.dir) // for a copy that was made just now
	r.relist()
	if f.run.lacks(old) {
		r.gap(f.dir.pod.uid, f.run.of, 0, "bytes", "a log was truncated; what was written to it last may not have been read")
	}
}

// release lets a copy be read once it has what cannot be had from its original any more.
func (r *Reader) release(f *file) bool {
	switch from := f.copied; {
	case from.gen > f.copyGen:
		f.copied = nil
		if head := f.peek(); !f.run.claim(f, head) {
			f.jumpEnd()
		}
		f.run.before(f, from)
	case from.fd < 0:
		f.copied = nil
		f.jumpEnd()
	default:
		return false
	}
	if f.gzipped {
		f.skip, f.pos = f.pos, 0
	}
	return true
}

// jumpEnd takes a file for read: all of it was had from another one.
func (f *file) jumpEnd() {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err == nil && !f.gzipped {
		f.jump(st.Size)
	}
	f.claimed, f.again = true, true
}

// tidy closes what is complete, and keeps what is over.
func (r *Reader) tidy(now time.Time) {
	open := r.files[:0]
	for _, f := range r.files {
		if f.complete(now) {
			r.aside(f)
		} else {
			open = append(open, f)
		}
	}
	clear(r.files[len(open):])
	r.files = open
	for _, run := range r.runs {
		r.conclude(run, now)
	}
}

// complete tells whether nothing more is to come that would be missed.
func (f *file) complete(now time.Time) bool {
	quiet := now.Sub(f.grew)
	switch {
	case !f.eof && f.copied == nil:
		return false
	case f.gzipped:
		return f.eof
	case f.gone:
		return quiet >= afterWriter || quiet >= afterGone && (f.run.ended || !f.run.newest(f, 1))
	}
	return quiet >= afterGone && f.copied == nil && !f.run.newest(f, 2)
}

// aside closes a file. While it has a name it is remembered, so that it is not taken for a new one.
func (r *Reader) aside(f *file) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err == nil {
		f.size, f.changed = st.Size, st.Mtim
	}
	if !f.gzipped && f.copied == nil && f.size > f.pos { // it was written to since the last look
		f.size = f.pos
	}
	if f.copied == nil && !f.again {
		if !f.gzipped {
			r.keepHead(f)
		}
		f.run.cut(f.mark)
	}
	r.closed(unix.Close(f.fd))
	f.fd, f.gz = -1, nil
	f.run.drop(f)
}
