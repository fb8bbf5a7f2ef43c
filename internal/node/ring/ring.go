// SPDX-License-Identifier: Apache-2.0

// Package ring keeps what a node agent learned on the node's disk: entries in the order in which they were learned, in
// segments of bounded size of which the oldest make room for new ones. An entry that was taken is there after kill -9 of
// the agent; a power cut may take what came within its last second. What is damaged is mended when the ring is opened, and
// a gap stands where something was.
package ring

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/guard"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	defaultBudget  = 64 << 20
	defaultSegment = 4 << 20
	// maxEntry bounds one entry on disk. Facts are a line, runs a few KiB.
	maxEntry = 64 << 10
	// leap is how many numbers are left out after a power cut: readers may have had entries that did not get to the disk,
	// and their numbers must not be used again. More are not taken in the second between two syncs.
	leap = 1 << 20
	// syncEvery is how often the disk is made to have what was taken, and how exactly it is known until when the agent ran.
	syncEvery = time.Second
)

// Options say where the ring is and how much it keeps.
type Options struct {
	Dir     string           // nothing else may be in it; made if it is not there
	Node    string           // that gaps are about
	Boot    string           // id of the machine's present boot, by which a power cut is told from a restart; may be empty
	Budget  int64            // of all segments, in bytes; 0: 64 MiB
	Segment int64            // of one segment, in bytes; 0: 4 MiB, and at most a quarter of the budget
	Now     func() time.Time // nil: time.Now
}

// A Ring is open for one agent. Its methods may be called at the same time.
type Ring struct {
	o    Options
	root *os.Root
	lock *os.File
	id   string
	make func(name string) (file, error)

	mu       sync.Mutex
	segments []segment // oldest first; the last one is written to
	active   file
	broken   bool   // the active segment could not be cut after a failed write
	dirty    bool   // something was written since the last sync
	retired  []file // segments that are full, to be synced and closed
	lost     int64  // entries that could not be written, not yet told of
	lostWhy  string
	closed   bool
	unsure   bool          // readers may have had numbers that are not to be seen any more
	more     chan struct{} // closed when an entry comes
	stats    Stats

	once sync.Once
	stop chan struct{}
	done chan struct{}
}

// A file is what a segment is written to.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// Stats are counters since the ring was opened, and what it holds.
type Stats struct {
	ID          string // of this ring: numbers of another one mean nothing here
	First, Next uint64 // the oldest entry that is kept, and the number that the next one gets
	Bytes       int64  // on disk
	Appended    int64  // entries that were taken
	Lost        int64  // entries that could not be written
	Dropped     int64  // entries that made room
	Torn        int64  // bytes that were cut from the end when the ring was opened
	Damaged     int64  // entries that were found unreadable when it was opened
}

// Open opens the ring in a directory, mends what is damaged, and, where there was a ring before, enters how long the agent
// did not run. It fails when another agent has it open.
func Open(o Options) (*Ring, error) {
	o.Budget = cmp.Or(o.Budget, defaultBudget)
	o.Segment = min(cmp.Or(o.Segment, defaultSegment), o.Budget/4)
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the record: %w", err)
	}
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the record: %w", err)
	}
	r := &Ring{o: o, root: root, more: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{})}
	r.make = r.create
	if err := r.load(); err != nil {
		r.release()
		return nil, fmt.Errorf("open the record in %s: %w", o.Dir, err)
	}
	guard.Go(r.keepSynced, r.unsynced)
	return r, nil
}

// load reads what is there and makes the ring ready to be written to.
func (r *Ring) load() error {
	var err error
	if r.lock, err = lock(r.root); err != nil {
		return err
	}
	before := r.life()
	if err := r.mend(before); err != nil {
		return err
	}
	if r.id, err = r.identity(); err != nil {
		return err
	}
	before.until = later(before.until, r.lastTime())
	had := len(r.segments) > 0 && r.segments[0].entries()
	if had && !before.tells(r.o.Boot) || r.unsure {
		r.segments = append(r.segments, segment{first: r.next() + leap, last: r.next() + leap - 1})
	}
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.mark(false); err != nil {
		// On a disk that is full the file is empty by now, or can be removed, which says the same. What comes is counted until there is room.
		if err := r.root.Remove(alive); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("say that the agent runs: %w", err)
		}
	}
	if r.stats.Torn > 0 {
		r.Tell(r.gap(before.until, r.stats.Torn, "bytes", "the last entries were not whole: the agent or the node ended while it wrote them"))
	}
	if had {
		r.Tell(r.gap(before.until, 0, "", "the agent did not run"))
	}
	return nil
}

// gap is a gap of the record from a time until now. A time that is yet to come, as where a clock was put back, tells nothing.
func (r *Ring) gap(from time.Time, count int64, unit, why string) record.Entry {
	now := r.o.Now()
	if from.After(now) {
		from = time.Time{}
	}
	return record.Entry{Gap: &record.Gap{
		About: evidence.RefTo("Node", "", r.o.Node), What: recordGap, From: from.UTC(), To: now.UTC(), Count: count, Unit: unit, Why: why,
	}}
}

// Append takes an entry: it gives it its number and its time, and returns the number once the kernel has the entry, which
// outlives the agent. An entry that cannot be written is counted, and a gap says so as soon as one can be written again.
func (r *Ring) Append(e record.Entry) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, fs.ErrClosed
	}
	if r.lost > 0 {
		gap := r.gap(time.Time{}, r.lost, "records", "they could not be written: "+r.lostWhy)
		if _, err := r.enter(gap); err != nil {
			return 0, r.lose(err)
		}
		r.lost = 0
	}
	seq, err := r.enter(e)
	if err != nil {
		return 0, r.lose(err)
	}
	return seq, nil
}

// Tell appends an entry and leaves what could not be written to the counters and to a gap.
func (r *Ring) Tell(e record.Entry) {
	_, _ = r.Append(e)
}

func (r *Ring) lose(err error) error {
	r.lost++
	r.stats.Lost++
	r.lostWhy = err.Error()
	return fmt.Errorf("write to the record: %w", err)
}

// enter writes one entry.
func (r *Ring) enter(e record.Entry) (uint64, error) {
	e.Seq, e.At = r.next(), r.o.Now().UTC()
	line, err := seal(e)
	if err != nil {
		return 0, err
	}
	if err := r.write(line); err != nil {
		if !errors.Is(err, syscall.ENOSPC) || len(r.segments) < 2 {
			return 0, err
		}
		r.drop()
		if err := r.write(line); err != nil {
			return 0, err
		}
	}
	s := &r.segments[len(r.segments)-1]
	s.marks = noted(s.marks, e.Seq, s.size)
	s.size += int64(len(line))
	s.last = e.Seq
	r.dirty = true
	r.stats.Appended++
	close(r.more)
	r.more = make(chan struct{})
	for r.bytes() > r.o.Budget && len(r.segments) > 1 {
		r.drop()
	}
	return e.Seq, nil
}

// write writes a line to the active segment, or to a new one where that is full. What was written in part is cut off.
func (r *Ring) write(line []byte) error {
	s := &r.segments[len(r.segments)-1]
	if r.broken || s.entries() && s.size+int64(len(line)) > r.o.Segment {
		if err := r.rotate(); err != nil {
			return err
		}
		s = &r.segments[len(r.segments)-1]
	}
	_, err := r.active.Write(line)
	if err != nil && r.active.Truncate(s.size) != nil {
		r.broken = true
	}
	return err
}

// rotate begins a new segment. The old one is synced and closed by and by.
func (r *Ring) rotate() error {
	s := segment{first: r.next(), last: r.next() - 1}
	f, err := r.make(s.name())
	if err != nil {
		return err
	}
	if last := r.segments[len(r.segments)-1]; last.first == s.first { // nothing but a broken line was in it
		r.segments = r.segments[:len(r.segments)-1]
	}
	r.retired = append(r.retired, r.active)
	r.active, r.broken = f, false
	r.segments = append(r.segments, s)
	return nil
}

// drop removes the oldest segment.
func (r *Ring) drop() {
	s := r.segments[0]
	_ = r.root.Remove(s.name()) // if it stays, it is found when the ring is opened, and dropped then
	r.stats.Dropped += int64(s.last + 1 - s.first)
	r.segments = r.segments[1:]
}

func (r *Ring) create(name string) (file, error) {
	return r.root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
}

// next is the number of the next entry.
func (r *Ring) next() uint64 {
	if len(r.segments) == 0 {
		return 1
	}
	return r.segments[len(r.segments)-1].last + 1
}

func (r *Ring) bytes() int64 {
	var n int64
	for _, s := range r.segments {
		n += s.size
	}
	return n
}

// Stats returns the counters.
func (r *Ring) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.ID, s.First, s.Next, s.Bytes = r.id, r.segments[0].first, r.next(), r.bytes()
	return s
}

// FirstSeq is the number of the oldest entry that is kept: all before it made room.
func (r *Ring) FirstSeq() uint64 {
	return r.Stats().First
}

// identity is what tells this ring from one that was made after it was deleted.
func (r *Ring) identity() (string, error) {
	data, err := r.root.ReadFile("id")
	if err == nil && len(data) == len(rand.Text()) && len(r.segments) > 0 {
		return string(data), nil
	}
	id := rand.Text()
	return id, r.root.WriteFile("id", []byte(id), 0o600)
}

// A life is what is known of the agent that had the ring before.
type life struct {
	Boot  string    `json:"boot"`
	Clean bool      `json:"clean"` // it closed the ring
	Next  uint64    `json:"next"`  // the number that the next entry would have got, where it did
	until time.Time // it ran
}

// tells is whether no number can have been given that is not on the disk.
func (l life) tells(boot string) bool { return l.Clean || boot != "" && l.Boot == boot }

// alive is the file that says until when the agent ran, by its time, and how it ended, by its content.
const alive = "alive"

func (r *Ring) life() life {
	var was life
	if data, err := r.root.ReadFile(alive); err != nil || json.Unmarshal(data, &was) != nil {
		was = life{} // torn: not clean, of another boot
	}
	if info, err := r.root.Stat(alive); err == nil {
		was.until = info.ModTime()
	}
	return was
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// mark says that the agent runs, or that it closes the ring.
func (r *Ring) mark(clean bool) error {
	is := life{Boot: r.o.Boot, Clean: clean}
	if clean {
		is.Next = r.next()
	}
	data, err := json.Marshal(is)
	if err != nil {
		return err
	}
	now := r.o.Now()
	return errors.Join(r.root.WriteFile(alive, data, 0o600), r.root.Chtimes(alive, now, now))
}
