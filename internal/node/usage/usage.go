// SPDX-License-Identifier: Apache-2.0

// Package usage samples what the containers of a node use, by their control groups, and what the node itself has left.
// It keeps the last ten minutes of each container; when its control group vanishes, the run has ended, and these minutes
// are told as facts about it. What is full on the node is told when it passes a mark, with who uses most of it.
package usage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/guard"
	"github.com/kubeinquest/inquest/internal/node/inotify"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	defaultEvery   = 5 * time.Second
	defaultKeep    = 10 * time.Minute
	defaultMachine = 15 * time.Second
	beat           = time.Second      // at which containers younger than a sample's time are sampled
	rescanEvery    = time.Minute      // against what inotify lost
	limitsEvery    = 30 * time.Second // limits are changed in place since Kubernetes 1.27 (KEP-1287)
	unplacedFor    = 15 * time.Second // for so long a group is kept whose container the runtime has not told of
	mostGroups     = 1024             // a kubelet has 110 pods unless told otherwise
	mostChildren   = 4096             // of a directory
	mostEnded      = 64               // runs that ended, whose samples are kept
	mostDepth      = 4                // of directories above that of all pods: /docker/ID/kubelet.slice/kubelet-kubepods.slice
	mostSearched   = 2000             // of them
)

// Options are what a Reader needs.
type Options struct {
	Cgroup string // where the host's /sys/fs/cgroup is mounted
	Below  string // the directory in it to look below, as of a node that is itself a container; empty: everywhere

	Every time.Duration // between samples of a container; 0: 5 s
	Keep  time.Duration // how much of the past is kept of each; 0: 10 minutes

	Node    evidence.Ref                                         // that the agent runs on
	Tell    func(record.Entry)                                   // takes what there is to tell, and does not block
	Place   func(string) (ref evidence.Ref, uid string, ok bool) // says whose a control group is, by its path from the root
	Machine MachineOptions                                       // empty: the node itself is not looked at
	Now     func() time.Time                                     // nil: time.Now
}

// A Reader samples. It is made by New.
type Reader struct {
	options Options
	root    *os.Root
	source  source
	watch   *watch // nil where there is no inotify: then the directories are listed at each sample
	machine *machine

	mu      sync.Mutex // of all below
	epoch   time.Time
	groups  map[string]*group // by path
	dirs    map[string]*dir   // by path
	ended   []*group          // newest last
	late    []*group          // ended, and it is not known yet whose they were
	scan    uint32            // the number of the last full scan
	scanned time.Time
	sampled time.Time
	missed  int64 // groups that were gone before they were opened, since that was told
	over    int64 // groups that were not kept because there were too many
	lost    int64 // groups that were not kept because there were too many, or whose container was never known
}

// New checks the options and opens the root.
func New(o Options) (*Reader, error) {
	if o.Tell == nil || o.Place == nil || o.Node.Kind != "Node" {
		return nil, errors.New("usage: Tell, Place and Node must be set")
	}
	if o.Every < 0 || o.Keep < 0 {
		return nil, errors.New("usage: a time is negative")
	}
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.Keep == 0 {
		o.Keep = defaultKeep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	root, err := os.OpenRoot(o.Cgroup)
	if err != nil {
		return nil, fmt.Errorf("open the control groups: %w", err)
	}
	l, err := layoutOf(root)
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	r := &Reader{
		options: o, root: root, source: source{l, make([]byte, maxFile)}, epoch: o.Now(),
		groups: map[string]*group{}, dirs: map[string]*dir{},
	}
	if r.machine, err = newMachine(o); err != nil {
		_ = root.Close()
		return nil, err
	}
	return r, nil
}

// Run samples until the context ends.
func (r *Reader) Run(ctx context.Context) error {
	defer r.close()
	group, ctx := guard.NewGroup(ctx)
	events := make(chan []inotify.Event, 4)
	if w, err := newWatch(); err == nil {
		r.watch = w
		defer context.AfterFunc(ctx, w.wake)()
		group.Go(func() error {
			w.read(ctx, events)
			return nil
		})
	} else {
		r.options.Tell(record.Entry{Gap: &record.Gap{
			About: r.options.Node, What: "usage", From: r.options.Now(), Unit: "runs", Why: "runs shorter than a sample are missed: " + err.Error(),
		}})
	}
	group.Go(func() error {
		r.follow(ctx, events)
		return nil
	})
	return group.Wait()
}

func (r *Reader) follow(ctx context.Context, events <-chan []inotify.Event) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time // when the timer says so
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-events:
			r.heard(batch, r.options.Now())
		case <-timer.C:
			r.tick(r.options.Now())
			next = time.Time{}
		}
		now := time.Now()
		if due := now.Add(r.pause(r.options.Now())); next.IsZero() || due.Before(next) {
			next = due
			timer.Reset(due.Sub(now))
		}
	}
}

// pause is how long there is nothing to do.
func (r *Reader) pause(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.late) > 0 || r.missed > 0 {
		return beat
	}
	for _, g := range r.groups {
		if now.Sub(g.first) < r.options.Every {
			return beat
		}
	}
	return max(r.options.Every-now.Sub(r.sampled), beat/2)
}

// close lets go of everything that is open. What was sampled can still be asked for.
func (r *Reader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watch != nil {
		r.watch.close()
	}
	for _, g := range r.groups {
		g.files.close()
	}
	for _, d := range r.dirs {
		d.files.close()
	}
	_ = r.root.Close()
}

// tick does what is due.
func (r *Reader) tick(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := now.Sub(r.sampled) >= r.options.Every-beat/2
	if r.scanned.IsZero() || now.Sub(r.scanned) >= rescanEvery || all && (r.watch == nil || len(r.dirs) == 0) {
		r.rescan(now)
	}
	if all {
		r.sampled = now
	}
	for _, g := range r.groups {
		if (all || now.Sub(g.first) < r.options.Every) && !g.beforeAt.Equal(now) {
			r.sample(g, now)
		}
	}
	r.placeLate(now)
	r.tellMissed(now)
	if r.machine != nil {
		r.machine.tick(now, r.consumers)
	}
}

// tellMissed tells of runs that were too short to be seen.
func (r *Reader) tellMissed(now time.Time) {
	if r.missed == 0 {
		return
	}
	r.options.Tell(record.Entry{Gap: &record.Gap{
		About: r.options.Node, What: "usage", To: now.UTC(), Count: r.missed, Unit: "runs", Why: "control groups were removed before they could be read",
	}})
	r.missed = 0
}

// Counts are what the reader has, and what it could not have.
type Counts struct {
	Groups  int   // control groups of containers that are sampled
	Dirs    int   // directories above them that are watched
	Resting int   // those of nobody that is known, as of sandboxes
	Lost    int64 // that were too many, or ended before anybody told whose they were
	Over    int64 // that were too many
}

// Counts returns how it stands.
func (r *Reader) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := Counts{Lost: r.lost, Over: r.over, Dirs: len(r.dirs)}
	for _, g := range r.groups {
		if g.resting {
			n.Resting++
		} else {
			n.Groups++
		}
	}
	return n
}

// tell tells a fact about a run or a pod.
func (r *Reader) tell(uid string, f evidence.Fact) {
	r.options.Tell(record.Entry{PodUID: uid, Fact: &f})
}

// Present is what the samples of the containers that run now say, as at the end of a run, in the order of their control groups.
func (r *Reader) Present() []record.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []record.Entry
	for _, name := range slices.Sorted(maps.Keys(r.groups)) {
		g := r.groups[name]
		if !g.placed || g.resting {
			continue
		}
		for _, f := range g.course(r.epoch, g.beforeAt) {
			list = append(list, record.Entry{PodUID: g.uid, Fact: &f})
		}
	}
	return list
}
