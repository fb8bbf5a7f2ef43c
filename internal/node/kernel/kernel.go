// SPDX-License-Identifier: Apache-2.0

// Package kernel follows the log of a node's kernel and tells what it says of trouble: kills for want of memory by the run
// that they hit, crashes, hung tasks, errors of disks and file systems. It reads /dev/kmsg where it may, else by
// syslog(2), else a file that the node keeps, else systemd's journal. What it did not see it tells as a gap, with the number
// of records where the kernel numbers them.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/hostlog"
	"github.com/kubeinquest/inquest/internal/journal"
	"github.com/kubeinquest/inquest/internal/record"
)

// Options say what is read and whom to tell.
type Options struct {
	Node   string // its name, as the API has it
	Device string // "": /dev/kmsg; Journal: the journal before all else
	File   string // a kernel log that the node keeps, such as /var/log/kern.log, for where there is nothing better
	// Journal are the directories of systemd's journal below Root, the directory with the host's files.
	Root    string
	Journal []string
	// From is where an earlier reader was, as it gave it to Save. Of the same boot, nothing is told twice and nothing left
	// out that the kernel still has.
	From Position
	// Save, if it is not nil, is given the place up to which everything has been told, within a second of that. What was
	// held back of a flood of one sort of record, the newest one of a minute, is lost if the program is killed.
	Save func(Position)
	// Below is the directory that the node's control groups are in, where the node is itself a container: a kill in a pod's group
	// elsewhere is another node's, whose kernel it is too.
	Below string
	// Place tells whose a control group is. Nil: nobody's.
	Place func(group string) (about evidence.Ref, podUID string, ok bool)
	// Knows tells whether Place says all that it will of a control group: of one that has just been made the runtime may not have told
	// yet. Nil: it always does.
	Knows func(group string) bool
	Tell  func(record.Entry)
}

// A Position is a place in the kernel's log.
type Position struct {
	Boot   string        `json:"boot"`             // id of the boot
	Seq    uint64        `json:"seq,omitempty"`    // of the last record of /dev/kmsg
	Since  time.Duration `json:"since,omitempty"`  // since boot, of the last record
	Inode  uint64        `json:"inode,omitempty"`  // of the file
	Offset int64         `json:"offset,omitempty"` // in the file

	Journal journal.Cursor `json:"journal,omitzero"` // in the journal, of whichever boot
}

// A Reader follows the log of one node.
type Reader struct {
	o        Options
	about    evidence.Ref
	follower *hostlog.Follower
	clock    clock
	at       Position // the last record that was read
	saved    Position
	savedAt  time.Time
	missed   record.Gap // what is to be told yet; Why is empty when nothing is
	gapAt    time.Time  // when that was noticed
	skipped  int64
	early    []hostlog.Record // what is told when it is known whose it is
	counts   struct{ records, facts, missed atomic.Int64 }
}

// Counts are what a Reader has done since it was made.
type Counts struct {
	Records int64 // that were read
	Facts   int64 // that they became
	Missed  int64 // records that were not read or not looked at, as far as their number is known
}

// Counts returns what was done so far. It may be called at any time.
func (r *Reader) Counts() Counts {
	return Counts{r.counts.records.Load(), r.counts.facts.Load(), r.counts.missed.Load()}
}

// A source is one way to read the log.
type source interface {
	// read hands the records that there are to the reader. Where there are none it waits for one, for at most the time
	// given, without bound when that is zero, or until the context ends. It returns how many there were.
	read(ctx context.Context, most time.Duration) (int, error)
	close()
}

// quiet is how long nothing must come before what is being read is complete, and how often a place is saved.
const quiet = time.Second

// What happened in a control group that is not known yet is told when it is, or after earlyTime: the agent lists what the runtime has
// once a second. It is looked up earlyEach. No more than mostEarly wait.
const earlyTime, earlyEach, mostEarly = 1500 * time.Millisecond, 100 * time.Millisecond, 256

// Why records were missed.
const (
	overrun   = "the kernel's ring was overrun"
	wentRound = "the kernel's ring went round while the agent did not read it"
	tooLate   = "the kernel's ring no longer had them when the agent began"
	flooded   = "a flood of records that look like trouble: not all of them were looked at"
)

// New checks the options.
func New(o Options) (*Reader, error) {
	if o.Tell == nil || o.Node == "" {
		return nil, errors.New("kernel log: the node's name and somebody to tell are needed")
	}
	if o.Device == "" {
		o.Device = "/dev/kmsg"
	}
	if o.Save == nil {
		o.Save = func(Position) {}
	}
	if o.Place == nil {
		o.Place = func(string) (evidence.Ref, string, bool) { return evidence.Ref{}, "", false }
	}
	if o.Knows == nil {
		o.Knows = func(string) bool { return true }
	}
	return &Reader{o: o, about: evidence.RefTo("Node", "", o.Node), follower: hostlog.Follow(o.Node)}, nil
}

// Run reads until the context ends. Where the log cannot be read at all, the error says what to do about it.
func (r *Reader) Run(ctx context.Context) error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("read the id of the boot: %w", err)
	}
	r.begin(strings.TrimSpace(string(boot)), bootClock())
	s, err := r.open()
	if err != nil {
		return err
	}
	defer s.close()
	return r.follow(ctx, s)
}

// begin sets the place from which to go on.
func (r *Reader) begin(boot string, c clock) {
	r.clock, r.at = c, Position{Boot: boot, Inode: r.o.From.Inode, Offset: r.o.From.Offset, Journal: r.o.From.Journal}
	if r.o.From.Boot == boot {
		r.at = r.o.From
	}
	r.saved = r.at
}

// open opens the first source that can be had.
func (r *Reader) open() (source, error) {
	kmsg := func() (source, error) { return openKmsg(r, r.o.Device) }
	printed := func() (source, error) { return openRing(r, klogctl, openBell("/proc/kmsg")) }
	kept := func() (source, error) { return openFile(r, r.o.File) }
	entries := func() (source, error) { return openJournal(r) }
	ways := []func() (source, error){kmsg, printed, kept, entries}
	switch {
	case r.o.Device == Journal:
		ways = []func() (source, error){entries}
	case r.o.File == "":
		ways = []func() (source, error){kmsg, printed, entries}
	}
	var failed []error
	for _, way := range ways {
		s, err := way()
		if err == nil {
			return s, nil
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("read the kernel's log: %w: give the agent's container the capability SYSLOG, or mount the journal or another file that the node keeps of it", oneLine(failed))
}

// oneLine joins errors with semicolons.
func oneLine(list []error) error {
	err := list[0]
	for _, next := range list[1:] {
		err = fmt.Errorf("%w; %w", err, next)
	}
	return err
}

func (r *Reader) follow(ctx context.Context, s source) error {
	var last time.Time // something came
	for ctx.Err() == nil {
		var most time.Duration
		switch {
		case len(r.early) > 0:
			most = earlyEach
		case r.outstanding():
			most = quiet
		}
		n, err := s.read(ctx, most)
		if err != nil {
			r.end()
			return fmt.Errorf("read the kernel's log: %w", err)
		}
		now := time.Now()
		if n > 0 {
			last = now
		} else if now.Sub(last) >= quiet {
			r.follower.Quiet(now)
		}
		told := r.tell(now)
		r.settle(now, told || n == 0)
	}
	r.end()
	return nil
}

// outstanding tells whether there is something to do even if no record comes.
func (r *Reader) outstanding() bool {
	return r.follower.Holds() || r.missed.Why != "" || r.at != r.saved
}

// end tells what there is to tell.
func (r *Reader) end() {
	r.follower.End()
	r.tell(time.Time{})
	r.settle(time.Now(), true)
}

// tell hands on the facts that are complete, and says whether there were any. Without a time it waits no longer for any.
func (r *Reader) tell(now time.Time) bool {
	facts := slices.Concat(r.early, r.follower.Records())
	r.early = nil
	for _, f := range facts {
		if r.foreign(f.Group) {
			continue
		}
		if f.Group != "" && !now.IsZero() && now.Sub(f.At).Abs() < earlyTime && len(r.early) < mostEarly && !r.o.Knows(f.Group) {
			r.early = append(r.early, f)
			continue
		}
		e := record.Entry{Fact: &f.Fact}
		if f.Group != "" {
			if about, uid, ok := r.o.Place(f.Group); ok {
				f.About, e.PodUID = about, uid
			}
		}
		if e.PodUID == "" && slices.Contains(naming, f.Name) {
			e.Names, e.Brief = record.Anybody, f.Name+": what else it says names processes"
		}
		r.counts.facts.Add(1)
		r.o.Tell(e)
	}
	return len(facts) > len(r.early)
}

// naming are the sorts of records that name processes, which may be those of any pod.
var naming = []string{"oom-kill", "oom-task", "segfault", "hung-task", "seccomp", "apparmor", "selinux", "fork-failed", "page-allocation"}

// foreign tells whether a control group is one of a pod of another node.
func (r *Reader) foreign(group string) bool {
	return r.o.Below != "" && strings.Contains(group, "kubepods") && !strings.HasPrefix(group, path.Clean("/"+r.o.Below)+"/")
}

// settle tells what was missed and saves the place when nothing is being read: once a second, or at once.
func (r *Reader) settle(now time.Time, atOnce bool) {
	if n := r.follower.Skipped(); n > r.skipped {
		r.miss(n-r.skipped, now, flooded)
		r.skipped = n
	}
	if r.missed.Why != "" && (atOnce || now.Sub(r.gapAt) >= quiet) {
		r.o.Tell(record.Entry{Gap: new(r.missed)})
		r.missed = record.Gap{}
	}
	if r.at != r.saved && !r.follower.Pending() && len(r.early) == 0 && r.missed.Why == "" && (atOnce || now.Sub(r.savedAt) >= quiet) {
		r.o.Save(r.at)
		r.saved, r.savedAt = r.at, now
	}
}

// miss notes that records were missed, 0 for an unknown number, the last of them before the time given.
func (r *Reader) miss(count int64, to time.Time, why string) {
	r.lost(record.Gap{From: r.clock.at(r.at.Since), To: to, Count: count, Why: why})
}

// lost notes a gap, one with those before it that have the same reason.
func (r *Reader) lost(g record.Gap) {
	if r.missed.Why != "" && r.missed.Why != g.Why {
		r.o.Tell(record.Entry{Gap: new(r.missed)})
		r.missed = record.Gap{}
	}
	if r.missed.Why == "" {
		r.gapAt = time.Now()
		r.missed = record.Gap{About: r.about, What: "kernel", From: g.From, Unit: "records", Why: g.Why}
	}
	r.counts.missed.Add(g.Count)
	r.missed.Count += g.Count
	r.missed.To = g.To
}

// take reads one record, of the time given since boot. Only what the kernel itself wrote counts: a program may write to
// its log, but not in its name.
func (r *Reader) take(facility int, since time.Duration, text []byte) {
	r.at.Since = since
	r.counts.records.Add(1)
	if facility == 0 {
		r.follower.Kernel(text, r.clock.at(since))
	}
}
