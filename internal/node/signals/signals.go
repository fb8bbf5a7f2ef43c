// SPDX-License-Identifier: Apache-2.0

// Package signals tells who sent SIGKILL and SIGTERM to the processes of a node's pods: the kernel, for want of memory or at the
// end of process 1; the container runtime; a process of the same pod, of another pod, or of the node. It traces the
// kernel's event signal_generate in an instance of tracefs of its own, filtered to these two signals, and looks sender and
// target up in /proc. Three more events say what /proc cannot: mark_victim, that a kill was for want of memory; task_rename,
// filtered to what a runtime starts in a container and to runtimes and tools that send signals and end at once, which
// processes these are before they end; and task_newtask, filtered to what a runtime starts and to its threads: a program that is gone
// is then a child of a runtime that is not.
//
// What is told: every signal to the first process of a container; SIGKILL to any other process of a container, as a
// supervisor or a pool of workers loses them; SIGTERM to such a one only from outside of the container. All of it is
// bounded for each run of a container, and counted.
package signals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/guard"
	"github.com/kubeinquest/inquest/internal/record"
)

// Options say where to look and whom to tell.
type Options struct {
	Node    string // its name, as the API has it
	Tracefs string // where a tracefs is mounted, writable: "/sys/kernel/tracing"
	Proc    string // where a proc of the machine's first pid namespace is mounted: "/host/proc"
	// Place tells whose a control group is.
	Place func(group string) (about evidence.Ref, podUID string, ok bool)
	// Knows tells whether Place says all that it will: of a container that has just begun the runtime may not have told yet. Nil: it
	// always does.
	Knows func(group string) bool
	Tell  func(record.Entry)
}

// A Tracer follows the signals of one node.
type Tracer struct {
	o     Options
	about evidence.Ref
	trace *instance
	proc  *proc
	later func(time.Duration, func()) // calls it after that time

	failed chan error // holds one: what was done later failed

	mu      sync.Mutex // guards what follows: each processor's buffer has a reader of its own
	known   map[int]*process
	senders senders
	victims []victim
	waiting []*event // signals that are not told yet: of the kernel, until it is known why, and of those who are not known yet
	settles bool     // these are settled soon
	bounds  bounds
	budget  budget
	missed  map[string]int64 // how many, by why
	since   time.Time        // when that began
	due     bool             // it is told soon
	counts  Counts
	ended   bool
}

// Counts are what a Tracer has done since it began.
type Counts struct {
	Signals int64 // records that were read
	Strange int64 // of these to processes that are no pod's
	Gone    int64 // to processes that were gone before they were looked up
	Lost    int64 // not read, or not looked up
	Told    int64 // as a fact
}

const (
	// mostKnown bounds the first processes of containers that are kept. A node has some hundred pods at most.
	mostKnown = 4096
	// settleTime is how long it may take until the kernel says why it killed: the record of the victim is written by the
	// same function that sends the signal (mm/oom_kill.c, __oom_kill_process).
	settleTime = 20 * time.Millisecond
	// placeTime is how long a container may be unknown: the agent lists what the runtime has once a second. It is looked up placeEach.
	placeTime, placeEach = 1500 * time.Millisecond, 100 * time.Millisecond
	sweepTime            = time.Minute
	// missTime is how long what was missed may go untold: that nobody sent a signal is concluded from there being no word of either
	// (internal/rules/exit, told).
	missTime = time.Second
)

// New checks the options.
func New(o Options) (*Tracer, error) {
	if o.Node == "" || o.Tell == nil || o.Place == nil || o.Tracefs == "" || o.Proc == "" {
		return nil, errors.New("signals: a node's name, a tracefs, a proc, somebody to tell and a way to place control groups are needed")
	}
	t := &Tracer{
		o: o, about: evidence.RefTo("Node", "", o.Node),
		failed: make(chan error, 1),
		known:  map[int]*process{}, senders: newSenders(), bounds: bounds{runs: map[key]*sent{}}, missed: map[string]int64{},
	}
	if t.o.Knows == nil {
		t.o.Knows = func(string) bool { return true }
	}
	t.later = func(d time.Duration, f func()) { guard.After(d, f, t.fail) }
	return t, nil
}

// fail ends the trace.
func (t *Tracer) fail(err error) {
	select {
	case t.failed <- err:
	default: // it has failed already
	}
}

// Counts returns what was done so far. It may be called at any time.
func (t *Tracer) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// Run traces until the context ends, and takes the trace away then. What the node lacks is an error that says what to do.
func (t *Tracer) Run(ctx context.Context) (err error) {
	if t.proc, err = openProc(t.o.Proc); err != nil {
		return fmt.Errorf("look processes up: %w", err)
	}
	defer t.proc.close()
	if t.trace, err = openInstance(t.o.Tracefs, t.o.Node); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.trace.close()) }()
	if err := t.check(); err != nil {
		return err
	}
	t.begin()
	if err := t.trace.start(); err != nil {
		return err
	}
	t.o.Tell(record.Entry{Fact: &evidence.Fact{
		Kind: evidence.Signals, Source: evidence.FromKernel, About: t.about, At: time.Now().UTC(), Where: "trace",
		Name: "watching-signals", Text: "SIGKILL and SIGTERM are traced",
	}})
	return t.follow(ctx)
}

// check finds out whether the processes that the trace names are those of our proc.
func (t *Tracer) check() error {
	traced, seen, err := t.trace.mark(t.proc)
	if err != nil {
		return fmt.Errorf("trace signals: %w", err)
	}
	if traced != seen {
		return fmt.Errorf("%s is of another pid namespace than the machine's first: the kernel calls this thread %d, and it is %d there (0: not there): mount the host's /proc into the agent's container and name it", t.o.Proc, traced, seen)
	}
	return nil
}

// begin learns which first processes of containers there are, and tells what nobody read.
func (t *Tracer) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since = time.Now()
	if t.trace.stale > 0 {
		t.miss(t.trace.stale, "signals that were sent while the agent did not run")
	}
	t.sweep()
	t.gaps(t.since)
}

// follow reads all buffers until the context ends.
func (t *Tracer) follow(ctx context.Context) error {
	group, ctx := guard.NewGroup(ctx)
	for _, f := range t.trace.files {
		group.Go(func() error {
			if err := t.pipe(f); !errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("read the trace of signals: %w", err)
			}
			return nil
		})
	}
	group.Go(func() error {
		t.minute(time.Now()) // there may be new containers since the trace began
		return t.tick(ctx)
	})
	<-ctx.Done()
	for _, f := range t.trace.files {
		_ = f.SetReadDeadline(time.Unix(1, 0))
	}
	err := group.Wait()
	t.end()
	return err
}

// tick does what is due every minute.
func (t *Tracer) tick(ctx context.Context) error {
	tick := time.NewTicker(sweepTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-t.failed:
			return err
		case now := <-tick.C:
			t.minute(now)
		}
	}
}

func (t *Tracer) minute(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	t.bounds.flush(t.tell)
	t.gaps(now)
}

// end tells what is left to tell.
func (t *Tracer) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(time.Time{})
	t.bounds.flush(t.tell)
	t.gaps(time.Now())
	t.ended = true
}

// pipe reads the buffer of one processor until its deadline, or another error.
func (t *Tracer) pipe(f *os.File) error {
	page := make([]byte, t.trace.pages.data.at+t.trace.pages.data.size)
	for {
		n, err := f.Read(page)
		switch {
		case errors.Is(err, io.EOF): // what there is is being written
			time.Sleep(time.Millisecond)
		case err != nil:
			return err
		default:
			t.page(page[:n])
		}
	}
}

// page takes the records of one page.
func (t *Tracer) page(page []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	zero := t.zero()
	lost := t.trace.pages.each(page, func(at uint64, data []byte) {
		t.record(zero.Add(time.Duration(at)), data)
	})
	if lost > 0 {
		t.miss(int64(min(lost, 1<<40)), "the buffer of the trace was overrun")
	}
}

// zero is when the clock of the trace began. The clocks are compared at each page, so that times are right to what it takes
// to read both, even where the clock was set.
func (t *Tracer) zero() time.Time {
	var up unix.Timespec
	now := time.Now()
	if err := unix.ClockGettime(t.trace.clock, &up); err != nil {
		return now
	}
	return now.Add(-time.Duration(up.Nano())).UTC().Round(0)
}

// record takes one record of the trace.
func (t *Tracer) record(at time.Time, data []byte) {
	i := t.trace
	switch i.signal.fields["common_type"].int(data) & 0xffff {
	case i.signal.id:
		f := i.signal.fields
		t.signal(&event{
			at: at, sender: f["common_pid"].int(data), sig: f["sig"].int(data), code: f["code"].int(data),
			target: f["pid"].int(data), result: f["result"].int(data), comm: f["comm"].text(data),
		})
	case i.victim.id:
		t.victim(victim{i.victim.fields["pid"].int(data), i.victim.fields["common_pid"].int(data), at})
	case i.rename.id:
		f := i.rename.fields
		t.renamed(at, f["pid"].int(data), f["oldcomm"].text(data), f["newcomm"].text(data))
	case i.thread.id:
		f := i.thread.fields
		lasting := slices.Contains(engines, f["comm"].text(data)) && f["clone_flags"].int(data)&unix.CLONE_THREAD != 0
		t.cloned(at, f["common_pid"].int(data), f["pid"].int(data), lasting)
	}
}

// miss notes that something was missed, which is told soon.
func (t *Tracer) miss(n int64, why string) {
	t.counts.Lost += n
	t.missed[why] += n
	if !t.due {
		t.due = true
		t.afterwards(missTime, func(now time.Time) {
			t.due = false
			t.gaps(now)
		})
	}
}

// afterwards does something later, unless the trace has ended by then.
func (t *Tracer) afterwards(d time.Duration, f func(now time.Time)) {
	t.later(d, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.ended {
			f(time.Now())
		}
	})
}

// gaps tells what was missed.
func (t *Tracer) gaps(now time.Time) {
	for why, n := range t.missed {
		t.o.Tell(record.Entry{Gap: &record.Gap{About: t.about, What: "signals", From: t.since.UTC(), To: now.UTC(), Count: n, Unit: "records", Why: why}})
	}
	clear(t.missed)
	t.since = now
}

func (t *Tracer) tell(e record.Entry) {
	t.counts.Told++
	t.o.Tell(e)
}
