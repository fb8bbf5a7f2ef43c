// SPDX-License-Identifier: Apache-2.0

// Package journal reads the files that systemd's journal is kept in, without systemd: entries of a node's kernel or of some
// units, in the order in which they were taken, while the files are written, rotated and removed. It only reads, in pieces
// and never by a map of memory, so that a file that is cut off while it is read is an error and no crash. It looks at the
// files when it is asked to, and does nothing else. The form is that of systemd's JOURNAL_FILE_FORMAT; fields that are
// compressed with XZ, as old versions did, are counted and not read.
package journal

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// An Entry is one of the journal (systemd.journal-fields(7)), as far as it matters here. What it does not have is empty.
type Entry struct {
	Seq         uint64        // of the numbering of the file
	At          time.Time     // when it was written, by the sender's word where it gave one
	Boot        string        // id of the boot
	Monotonic   time.Duration // since boot, when the journal took it
	Source      time.Duration // since boot by the kernel's clock, of what the kernel wrote
	Transport   string        // how it came: kernel, stdout, syslog, journal
	SystemdUnit string        // of the sender; nobody can make it up
	Unit        string        // that the sender says it is about: to be believed of process 1
	PID         int
	Identifier  string // name of the program, by its own word
	Facility    int    // of syslog; -1: none
	Priority    int    // of syslog; -1: none
	Message     string
}

// Driver matches what journald itself says, of what it dropped among others.
const Driver = "_TRANSPORT=driver"

// Dropped says how many messages journald did not take, of which unit, or of the kernel: "Suppressed 3 messages from
// kubelet.service" for those above its limit of a time, and "Missed 3 kernel messages" (systemd src/journal). It is journald's own
// word.
func (e *Entry) Dropped() (n int64, from string) {
	if e.Transport != "driver" {
		return 0, ""
	}
	words := strings.Fields(e.Message)
	switch {
	case len(words) == 5 && words[0] == "Suppressed" && words[2] == "messages":
		from = path.Base(words[4])
	case len(words) == 4 && words[0] == "Missed" && words[2] == "kernel":
		from = "kernel"
	default:
		return 0, ""
	}
	n, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil || n <= 0 {
		return 0, ""
	}
	return n, from
}

// A Cursor is a place in a journal. It stays good while files are rotated, and says enough to go on in another numbering.
type Cursor struct {
	ID   string `json:"id,omitempty"`   // of the numbering
	Seq  uint64 `json:"seq,omitempty"`  // of the last entry
	Boot string `json:"boot,omitempty"` // id of its boot
	Mono uint64 `json:"mono,omitempty"` // microseconds since then
	Real uint64 `json:"real,omitempty"` // microseconds since 1970
}

// Options say what is read.
type Options struct {
	Root  *os.Root
	Dirs  []string // below it: var/log/journal, run/log/journal; in each are directories by the ids of machines
	Match []string // "FIELD=value": what has one of them is read
	From  Cursor   // nothing is told twice from here on
	Since time.Time
}

// A Gap is what was no longer there when it was to be read.
type Gap struct{ From, To time.Time }

// A Reader reads one journal. It is not safe for concurrent use.
type Reader struct {
	o    Options
	at   Cursor // the last entry that was told
	past Cursor // up to which everything has been looked at
	cur  *opened
	gap  *Gap
	zstd *zstd.Decoder

	looks, damaged, unread int64
}

const (
	mostBatch = 256       // entries that are told at once
	mostLooks = 8192      // places that are looked at for them
	mostTurns = 128       // files that are gone through in one look
	patience  = 5         // looks for which what is being written may be incomplete
	allEach   = int64(60) // looks after which all files are listed again
)

// New checks the options. Files are opened when they are read.
func New(o Options) (*Reader, error) {
	if o.Root == nil || len(o.Dirs) == 0 || len(o.Match) == 0 {
		return nil, errors.New("journal: where it is and what is to be read must be given")
	}
	return &Reader{o: o, at: o.From, past: o.From}, nil
}

// Open looks for the journal, as Read does when it is first called. An error says that there is none to read.
func (r *Reader) Open() error {
	if r.cur != nil {
		return nil
	}
	return r.choose()
}

// Close lets go of the files.
func (r *Reader) Close() {
	if r.cur != nil {
		r.cur.in.Close()
		r.cur = nil
	}
	if r.zstd != nil {
		r.zstd.Close()
		r.zstd = nil
	}
}

// Cursor is the place of the last entry that was told. It does not change while none is, but where a file ends.
func (r *Reader) Cursor() Cursor { return r.at }

// Damaged counts places that could not be read and were left out.
func (r *Reader) Damaged() int64 { return r.damaged }

// Unread counts fields that could not be read: too large, damaged, or compressed in a way that is not known here.
func (r *Reader) Unread() int64 { return r.unread }

// Missed says once that entries had been removed before they were read.
func (r *Reader) Missed() (Gap, bool) {
	if r.gap == nil {
		return Gap{}, false
	}
	g := *r.gap
	r.gap = nil
	return g, true
}

// Read tells what has come since the last time, a bounded number of entries: where it told some, there may be more. An error says
// that there is no journal to read, for now.
func (r *Reader) Read(take func(Entry)) (n int, err error) {
	if err := r.Open(); err != nil {
		return 0, err
	}
	r.looks++
	for range mostTurns {
		c := r.cur
		ended := c.ended(r.o.Root) // before it is read for the last time
		got, all := r.added(take)
		if n += got; !all || n >= mostBatch {
			return n, nil
		}
		r.settle()
		if !ended && r.looks%allEach != 0 {
			return n, nil
		}
		if turned := r.choose() == nil && r.cur != c; !turned { // the file that is gone has been read; another one will come
			return n, nil
		}
		r.at = r.past
	}
	return n, nil
}

// added tells what the present file has, and whether that was all.
func (r *Reader) added(take func(Entry)) (n int, all bool) {
	c := r.cur
	c.again()
	looks := mostLooks
	for n < mostBatch {
		at := r.nearest(&looks)
		if looks < 0 {
			return n, false
		}
		if at == 0 {
			return n, true
		}
		s, err := c.stamp(at)
		var e Entry
		if err == nil {
			e, err = r.entry(&c.file, at, s)
		}
		if err != nil && c.waits() {
			return n, true
		}
		c.fails = 0
		c.pass(at)
		if err != nil {
			r.damaged++
			continue
		}
		if c.start.repeats(&s) || !c.start.precedes(c.id, s.seq, s.real, r.o.Since) {
			continue
		}
		r.at = Cursor{c.id, s.seq, e.Boot, s.mono, s.real}
		if r.past.ID != c.id || r.past.Seq < s.seq {
			r.past = r.at
		}
		take(e)
		n++
	}
	return n, false
}

// nearest is the first of the entries that the chains have next.
func (r *Reader) nearest(looks *int) (first uint64) {
	for i := range r.cur.chains {
		c := &r.cur.chains[i]
		if c.dead {
			continue
		}
		at, err := c.peek(looks)
		if err != nil && !r.cur.waits() {
			c.dead = true
			r.damaged++
		}
		if err == nil && at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// settle notes what has been looked at of the present file: all of it when it is not written any more, else what it had at the look before,
// as an entry is counted before it is entered under its fields.
func (r *Reader) settle() {
	c := r.cur
	tail := c.tailBefore
	if c.tailBefore = c.end(); c.state != online {
		tail = c.tailBefore
	}
	if tail.Seq == 0 {
		return
	}
	if tail.ID == r.past.ID && tail.Seq > r.past.Seq || tail.ID != r.past.ID && tail.Real > r.past.Real { // never back
		r.past = tail
	}
}

// precedes tells whether an entry comes after the place, in a numbering.
func (c Cursor) precedes(id string, seq, at uint64, from time.Time) bool {
	switch {
	case c.ID == id && c.Seq > 0:
		return seq > c.Seq
	case c.Real > 0:
		return at > c.Real
	}
	return micro(at).After(from)
}

// repeats tells whether an entry was told before, under another number: when the journal moves to the disk after boot, it
// numbers what it has anew.
func (c Cursor) repeats(s *stamp) bool {
	return c.Boot != "" && c.Boot == s.bootID() && s.mono < c.Mono
}
