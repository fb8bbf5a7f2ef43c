// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package tail reads the logs of every run of every container below /var/log/pods, and keeps the beginning and the end
// of each run after the kubelet has removed them, within a budget.
//
// One goroutine does all of it. It watches directories, not files, and keeps each file open over renaming and removal,
// so that nothing is lost when a log is rotated before it was read. How much was written it learns by reading on from
// where it was, four times a second and rarer in quiet files: one system call for each file, where watching for writes
// would give one event for each line. The read begins some bytes before the new ones: where these have changed, the
// file was truncated, however long it has become since.
//
// Each byte is read once, for counting and for whoever takes the stream (Options.Sink), but nothing is held in memory:
// the beginning is written to disk when it is complete, the end is read back from the open files when the run is over.
// Only reading at the end of a run would be cheaper still, and would lose what a truncation takes away. What was
// written between the last look and a truncation is found in the copy that logrotate makes (copytruncate), when there
// is one.
package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/inotify"
	"github.com/kubeinquest/inquest/internal/record"
)

// Options are what a Reader needs. The zero value of each but Root and Spool is its default.
type Options struct {
	Root   string // the directory of pods, as a rule /var/log/pods
	Spool  string // a directory of its own, where logs are kept; it is made
	Docker string // Docker's directory of containers, to which links are then followed; empty: no link is followed

	Budget  int64 // bytes of logs kept; 0: 256 MiB
	Rate    int64 // bytes read in a second, above which what is far behind is skipped and counted; 0: 64 MiB
	Owner   int   // user whose the log files must be; 0: root
	Devices bool  // file systems below Root may be entered
	All     bool  // also read what was written before the very first start

	Tell func(record.Entry) // takes gaps, and must not call the Reader; may be nil
	Sink func(Chunk)        // takes what is read, and must not call the Reader; may be nil
	Now  func() time.Time   // nil: time.Now
}

// A Chunk is what was read at once. Data is only good until the function returns.
type Chunk struct {
	Of     Key
	File   uint64 // tells apart the files of a run; a truncated file is another one
	Offset int64  // of the first byte; where it is not the end of the one before, something was skipped
	Data   []byte
}

// Stats count what was done since the start, but for the first three, which are of the moment.
type Stats struct {
	Open, Runs, Kept      int // files held open, runs whose logs exist, runs whose logs are kept
	KeptBytes             int64
	Bytes, Lines          int64
	Shed                  int64 // bytes skipped because more was written than Rate
	Holes                 int64 // bytes of files that were never written
	LostFiles, LostRuns   int64 // gone before they were opened
	Rotations, Truncated  int64
	Refused, Unwatched    int64 // entries that were not opened for safety, directories that could not be watched
	Evicted, Failed       int64 // kept logs given up for others; reads and writes that failed
	Entries, Unread, Gzip int64 // directory entries over the limit, open files over the limit, compressed files read
}

const (
	headSize   = 64 << 10  // kept of the beginning of a run
	endSize    = 256 << 10 // and of its end
	chunkSize  = 256 << 10
	overlap    = 32      // bytes read again, to see whether they are still the same
	farBehind  = 1 << 20 // a file may be shed that has more than this unread
	maxEntries = 16384   // in one directory
	maxDirs    = 8192    // that are watched
	maxOpen    = 4096    // files
	busy       = 250 * time.Millisecond
	idle       = 2 * time.Second
	relist     = time.Minute // all directories are listed so often, whatever inotify said
	remember   = 10 * time.Second
)

// A Reader follows all logs of a node. Its methods may be called at any time from anywhere.
type Reader struct {
	o      Options
	guard  guard
	watch  *watch
	spool  *spool
	docker int // Docker's directory, -1 without

	mu       sync.Mutex
	root     *dir
	byWatch  map[int]*dir
	dirs     int // that are open
	dirty    []*dir
	later    []*dir  // to be listed again in the next turn
	files    []*file // that are open
	order    []*file // the same, while they are looked at
	first    int     // of them
	runs     map[Key]*run
	past     map[Key]*runState // what the last agent knew of runs that were not found yet
	fresh    bool              // no agent was here before
	starting bool              // everything is listed for the first time
	stats    Stats
	buf      []byte
	tokens   int64
	refilled time.Time
	listed   time.Time
	saved    time.Time
	lastSave int64 // bytes and files at that time, to see whether anything is new
	serial   uint64
	calm     int64 // how often all events were heard that there were
}

// New opens the directory of pods and that of kept logs.
func New(o Options) (*Reader, error) {
	o.Budget, o.Rate = cmp.Or(o.Budget, 256<<20), cmp.Or(o.Rate, 64<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tell == nil {
		o.Tell = func(record.Entry) {}
	}
	r := &Reader{
		o: o, guard: guard{uint32(o.Owner), o.Devices}, docker: -1, byWatch: map[int]*dir{}, runs: map[Key]*run{},
		past: map[Key]*runState{}, buf: make([]byte, overlap+chunkSize), tokens: o.Rate,
	}
	root, err := openRoot(o.Root)
	if err != nil {
		return nil, fmt.Errorf("open the logs of pods: %w; mount the node's %s there or switch the feature off", err, o.Root)
	}
	if o.Docker != "" {
		if r.docker, err = openRoot(o.Docker); err != nil {
			return nil, errors.Join(fmt.Errorf("open Docker's containers: %w", err), unix.Close(root))
		}
	}
	var st unix.Stat_t
	if r.spool, err = openSpool(o.Spool, o.Budget); err == nil {
		err = unix.Fstat(root, &st)
	}
	if err != nil { // it is tried again and again
		return nil, errors.Join(err, unix.Close(root), r.letGo())
	}
	r.root = newDir(root, identOf(&st), levelRoot)
	return r, nil
}

// letGo closes what is open beside logs and their directories.
func (r *Reader) letGo() (err error) {
	if r.docker >= 0 {
		err = unix.Close(r.docker)
	}
	if r.spool != nil {
		err = errors.Join(err, r.spool.close())
	}
	return err
}

func openRoot(path string) (int, error) {
	return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// Run follows the logs until the context ends.
func (r *Reader) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.end()) }()
	r.begin()
	stop := context.AfterFunc(ctx, func() {
		if err := r.watch.wake(); err != nil {
			return // it is closed
		}
	})
	defer stop()
	for ctx.Err() == nil && err == nil {
		pause := r.turn()
		var all bool
		if all, err = r.watch.wait(ctx, pause, r.heard); all {
			r.calm++
		}
		r.settle(ctx)
	}
	return err
}

// settle lets changes that come together be handled together, so that a flood of them costs no listing each.
func (r *Reader) settle(ctx context.Context) {
	r.mu.Lock()
	changed := len(r.dirty) > 0
	r.mu.Unlock()
	if changed {
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// begin remembers what the last agent knew, and lists everything once.
func (r *Reader) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	r.refilled, r.listed, r.saved = now, now, now
	var err error
	if r.watch, err = newWatch(); err != nil {
		r.stats.Unwatched++
	}
	r.fresh, r.starting = !r.load(), true
	r.follow(r.root)
	for len(r.dirty) > 0 {
		r.relist()
	}
	r.fresh, r.starting = false, false
	r.missed()
}

// turn does what is due and returns how long there is nothing to do.
func (r *Reader) turn() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	r.refill(now)
	if now.Sub(r.listed) >= relist || r.stats.Unwatched > 0 && now.Sub(r.listed) >= time.Second {
		r.listed = now
		r.markAll(r.root)
	}
	for _, d := range r.later {
		r.mark(d)
	}
	r.later = r.later[:0]
	for range 4 { // a new directory may have others in it
		r.relist()
	}
	next := now.Add(idle)
	if r.stats.Unwatched > 0 {
		next = now.Add(time.Second)
	}
	r.order = append(r.order[:0], r.files...)
	for i := range r.order { // another one is first each time, because there may not be enough for all
		f := r.order[(i+r.first)%len(r.order)]
		if !f.due.After(now.Add(f.pause/4)) && r.poll(f, now) { // what is due soon is read now, rather than to wake for each
			f.due = now
		}
		if f.due.Before(next) {
			next = f.due
		}
	}
	r.first = (r.first + 7) % max(len(r.order), 1)
	r.tidy(now)
	r.save(now)
	return max(next.Sub(r.o.Now()), 0)
}

// heard takes one change in a directory.
func (r *Reader) heard(e inotify.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Mask&unix.IN_Q_OVERFLOW != 0 {
		r.markAll(r.root)
		return
	}
	d := r.byWatch[int(e.Watch)]
	if d == nil {
		return
	}
	r.mark(d)
	if e.Mask&unix.IN_CREATE != 0 && e.Mask&unix.IN_ISDIR == 0 {
		d.made(e.Name, r.calm)
	}
}

// refill gives the reading of the time that went by its due. More than one second is not saved up.
func (r *Reader) refill(now time.Time) {
	passed := min(max(now.Sub(r.refilled), 0), time.Second)
	r.tokens = min(r.tokens+int64(float64(r.o.Rate)*passed.Seconds()), r.o.Rate)
	r.refilled = now
}

func (r *Reader) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.writeState()
	r.leave(r.root)
	for _, f := range r.files {
		err = errors.Join(err, unix.Close(f.fd))
	}
	r.files, r.runs = nil, map[Key]*run{}
	return errors.Join(err, r.watch.close(), r.letGo())
}

// Ended says that a run is over, which is otherwise known when the next one begins or the pod is removed. What is kept of
// it is then on disk soon, and not lost with its files should the agent be killed.
func (r *Reader) Ended(podUID, container string, attempt int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u := r.runs[Key{podUID, container, attempt}]; u != nil && !u.ended {
		u.ended = true
		u.hurry()
	}
}

// Stats returns the counters.
func (r *Reader) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Open, s.Runs = len(r.files), len(r.runs)
	s.Kept, s.KeptBytes, s.Evicted = len(r.spool.kept), r.spool.bytes, r.spool.evicted
	return s
}

// gap tells of something that was missed.
func (r *Reader) gap(uid string, about evidence.Ref, count int64, unit, why string) {
	now := r.o.Now()
	r.o.Tell(record.Entry{At: now, PodUID: uid, Gap: &record.Gap{About: about, What: "logs", To: now, Count: count, Unit: unit, Why: why}})
}
