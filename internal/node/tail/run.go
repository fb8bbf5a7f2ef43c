// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A run is one run of a container, with the files of its log, oldest first.
type run struct {
	key      Key
	of       evidence.Ref
	dir      *dir
	files    []*file
	base     int64 // bytes in files that are no longer open
	early    bool  // older files were there before the agent
	torn     int   // truncations of which no copy was found
	shed     int64
	headKept bool // the beginning is on disk, or cannot be had
	ended    bool
	opened   bool        // a file of it was: where that is empty, the run wrote nothing
	spooled  int64       // bytes it had when it was kept; -1 never
	marks    []mark      // where truncated files were left
	saved    []fileState // what the last agent knew of files that were not found yet
}

const mostMarks = 8

func (r *Reader) runOf(d *dir, attempt int) *run {
	if known := d.runs[attempt]; known != nil {
		return known
	}
	is := &run{key: Key{d.pod.uid, d.container, attempt}, of: d.pod.run(d.container, attempt), dir: d, spooled: -1}
	if st := r.past[is.key]; st != nil {
		delete(r.past, is.key)
		st.restore(is)
	}
	d.runs[attempt] = is
	r.runs[is.key] = is
	return is
}

// hurry has the files of a run looked at now: that they were read to their end is not true any more.
func (u *run) hurry() {
	for _, f := range u.files {
		f.hurry()
	}
}

// resume continues a file where it was left, by the last agent or when it was put aside. The number of a removed file is
// used again at once, so that it has to begin the same way too.
func (u *run) resume(f *file, head []byte) bool {
	i := slices.IndexFunc(u.saved, func(s fileState) bool { return s.ident() == f.id && bytes.HasPrefix(head, s.Head) })
	if i < 0 {
		return false
	}
	s := u.saved[i]
	u.saved = slices.Delete(u.saved, i, i+1)
	f.mark = s.mark()
	if s.Done {
		u.base -= s.Pos
	}
	f.again = s.Again
	return true
}

// copies finds what a file that was never seen is a copy of: a file that was truncated, one that the last agent read, or
// one that is still being read and gives the same.
func (u *run) copies(f *file, head []byte) bool {
	if u.claim(f, head) {
		return true
	}
	i := slices.IndexFunc(u.saved, func(s fileState) bool { m := s.mark(); return m.begins(head) })
	if i >= 0 {
		f.mark, f.claimed = u.saved[i].mark(), true
		if u.saved[i].Done {
			u.base -= f.pos
		}
		u.saved = slices.Delete(u.saved, i, i+1)
		return true
	}
	for _, g := range u.files {
		if g == f || g.copied != nil {
			continue
		}
		if g.pos == 0 && !g.gzipped {
			g.head = g.peek()
		}
		if g.begins(head) {
			f.copied, f.copyGen = g, g.gen
			return true
		}
	}
	return false
}

// claim makes a file the continuation of one that was truncated.
func (u *run) claim(f *file, head []byte) bool {
	i := slices.IndexFunc(u.marks, func(m mark) bool { return m.begins(head) })
	if i < 0 {
		return false
	}
	f.mark, f.claimed = u.marks[i], true
	u.base -= f.pos
	u.marks = slices.Delete(u.marks, i, i+1)
	for _, g := range u.files {
		if g != f && g.name.live() {
			u.before(f, g)
			break
		}
	}
	return true
}

// cut notes that what was read of a file is only to be had from a copy, or from what it is compressed to.
func (u *run) cut(m mark) {
	u.base += m.pos
	if len(u.marks) == mostMarks {
		u.marks = slices.Delete(u.marks, 0, 1)
	}
	u.marks = append(u.marks, m)
}

// lacks tells whether no copy was found of what was truncated.
func (u *run) lacks(m mark) bool {
	lacks := slices.ContainsFunc(u.marks, func(o mark) bool { return bytes.Equal(o.head, m.head) && o.pos == m.pos })
	if lacks {
		u.torn++
	}
	return lacks
}

// before puts a copy where what it holds was written.
func (u *run) before(f, from *file) {
	u.drop(f)
	u.files = slices.Insert(u.files, max(slices.Index(u.files, from), 0), f)
}

func (u *run) drop(f *file) {
	if i := slices.Index(u.files, f); i >= 0 {
		u.files = slices.Delete(u.files, i, i+1)
	}
}

// newest tells whether a file is among the last so many of its run.
func (u *run) newest(f *file, n int) bool {
	later := 0
	for _, g := range u.files[slices.Index(u.files, f)+1:] {
		if g.copied == nil && !g.gzipped {
			later++
		}
	}
	return later < n
}

// total is how much the run has written, as far as it was read.
func (u *run) total() int64 {
	n := u.base
	for _, f := range u.files {
		if f.copied == nil && !f.again {
			n += f.pos
		}
	}
	return n
}

// conclude keeps the log of a run that is over and read to its end, and forgets it when its files are gone.
func (r *Reader) conclude(u *run, now time.Time) {
	if !u.ended || slices.ContainsFunc(u.files, func(f *file) bool { return !f.eof && f.copied == nil }) {
		return
	}
	if n := u.total(); n != u.spooled && (n > 0 || u.opened) {
		if u.shed > 0 && u.spooled < 0 {
			r.gap(u.key.PodUID, u.of, u.shed, "bytes", "more was logged than may be read; what is kept of the log does not depend on it")
		}
		if err := r.spool.put(u.header(now), r.compose(u)); err != nil {
			r.stats.Failed++
			r.gap(u.key.PodUID, u.of, 1, "runs", fmt.Sprintf("the log could not be kept: %v", err))
		}
		u.spooled, u.headKept = n, true
	}
	if len(u.files) == 0 {
		delete(r.runs, u.key)
		delete(u.dir.runs, u.key.Attempt)
	}
}

// keepHead writes the beginning of a run to disk when it is complete. It costs 64 KiB once for each run that has more.
func (r *Reader) keepHead(f *file) {
	if f.run.headKept || f.copied != nil {
		return
	}
	head := make([]byte, headSize)
	n, err := pread(f.fd, head, 0)
	if err != nil {
		r.stats.Failed++
		return
	}
	r.writeHead(f, head[:n])
}

func (r *Reader) writeHead(f *file, head []byte) {
	u := f.run
	if u.headKept || len(head) == 0 || u.ended && u.spooled >= 0 {
		return
	}
	u.headKept = true
	if u.base > 0 || u.early || len(u.files) == 0 || u.files[0] != f {
		return // the beginning was elsewhere
	}
	if err := r.spool.putHead(u.key, head); err != nil {
		r.stats.Failed++
	}
}

// A content is what is had of the log of a run.
type content struct {
	head, end []byte
	total     int64
}

func (c content) missing() int64 { return c.total - int64(len(c.head)+len(c.end)) }

// compose reads the beginning and the end of a log back from its open files and from disk.
func (r *Reader) compose(u *run) content {
	var held []*file
	sizes := map[*file]int64{}
	c := content{total: u.base}
	for _, f := range u.files {
		var st unix.Stat_t
		if f.copied == nil && !f.gzipped && unix.Fstat(f.fd, &st) == nil {
			held = append(held, f)
			sizes[f] = st.Size
			c.total += st.Size
		}
	}
	most := int64(endSize)
	if u.base == 0 && c.total <= headSize+endSize {
		most = c.total
	}
	c.end = readEnd(held, sizes, most)
	if c.missing() == 0 {
		return c
	}
	switch {
	case u.headKept:
		c.head = r.spool.head(u.key)
	case u.base == 0 && !u.early && len(held) > 0:
		c.head = make([]byte, headSize)
		n, err := pread(held[0].fd, c.head, 0)
		if err != nil {
			r.stats.Failed++
		}
		c.head = c.head[:n]
	}
	return c.trim()
}

// readEnd reads the last bytes that are in some files.
func readEnd(held []*file, sizes map[*file]int64, most int64) []byte {
	end := make([]byte, most)
	at := most
	for _, f := range slices.Backward(held) {
		n := min(sizes[f], at)
		got, err := pread(f.fd, end[at-n:at], sizes[f]-n)
		if err != nil || int64(got) < n { // it was truncated just now
			break
		}
		at -= n
	}
	return end[at:]
}

// trim cuts what is in both, and the lines that were cut.
func (c content) trim() content {
	if over := -c.missing(); over > 0 {
		c.head = c.head[:max(0, int64(len(c.head))-over)]
	}
	if c.missing() == 0 {
		return c
	}
	c.head = c.head[:bytes.LastIndexByte(c.head, '\n')+1]
	if i := bytes.IndexByte(c.end, '\n'); i >= 0 {
		c.end = c.end[i+1:]
	}
	return c
}

func (u *run) header(now time.Time) header {
	return header{Key: u.key, Namespace: u.of.Namespace, Pod: u.of.Name, At: now, Early: u.early, Torn: u.torn, Shed: u.shed}
}

// info says what is missing in what is had.
func (h header) info() Info {
	i := Info{Of: evidence.RefTo("Pod", h.Namespace, h.Pod).InContainer(h.Container).InAttempt(h.Attempt), PodUID: h.PodUID, Bytes: h.Head + h.End, Lost: h.Total - h.Head - h.End}
	var why []string
	if i.Lost > 0 {
		why = append(why, fmt.Sprintf("%d bytes between its beginning and its end were not kept", i.Lost))
	}
	if h.Early {
		why = append(why, "its beginning was rotated away before the agent came")
	}
	if h.Torn > 0 {
		why = append(why, fmt.Sprintf("it was truncated %d times", h.Torn))
	}
	i.Missing = strings.Join(why, "; ")
	return i
}
