// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

const (
	// settle is how long after an end its capture begins: the Event of it, the kernel's and the runtime's word come within that.
	settle = time.Second
	// patience is how long what is in trouble without a death is left alone: most of it passes.
	patience = 15 * time.Second
	// captures is how many are made at a time. That of a pod is fifteen requests at most.
	captures = 4
	// admissions are how many pods with news are given to the history at a time: each waits for the disk, all of them once.
	admissions = 128
	// glance is how often is looked for what time alone brought into trouble.
	glance = 10 * time.Second
	// silence is how long the note that the cluster is watched, which is made at each glance, may stay out until the next recorder has it
	// that it was not. Whoever looks at the history meanwhile waits for history.Silence, as a writer may have to wait for its disk.
	silence = glance + 5*time.Second
	// nobody is what is missing then.
	nobody = "no recorder ran"
	// renewals is how long a lease may wait to be read: it is kept for tens of seconds.
	renewals = 100 * time.Millisecond
	// mostRespite bounds what an API server, or what stands before it, may ask for.
	mostRespite = time.Minute
	// refused is how long until something is watched again that may not be.
	refused = time.Minute
)

// A Recorder watches a cluster and gives what happens to its history.
type Recorder struct {
	Client  rest.Interface            // of the core API
	Pods    rest.Interface            // of the same, for pods alone: much comes of them, so it is best by HTTP/1.1
	Leases  rest.Interface            // of the API of leases, likewise; nil: they are not watched
	Groups  map[string]rest.Interface // of other APIs, by group: those of workloads, claims and autoscalers that are here are watched
	Source  diagnosis.Source
	Rules   []*diagnosis.Rule
	Store   *history.Store
	Cluster string                                   // which one it is, in the history
	Keep    history.Retention                        // what of the history is kept
	Version string                                   // of the program, kept with each report
	Own     func(*evidence.Snapshot, []report.Cause) // names in causes who would put back what their fixes change; nil: nobody does
	Log     *slog.Logger
	Now     func() time.Time

	Namespaces []string // that alone are watched; none: all
	Narrowed   string   // why no others are

	counts counters

	ledger *Ledger
	queue  *queue[subject]
	fresh  lanes
	events chan history.Event
	forget chan string   // UIDs of pods
	synced chan struct{} // closed when all pods have been seen
	holds  chan struct{} // as many as pods are held
	think  sync.Mutex    // captures are judged one after the other, so that a first verdict finds a processor
	crowd  *crowd
	outcry *outcry
	leases *leases
	things *things
	away   time.Time // since when no recorder ran before this one; zero where that is nothing

	mu      sync.Mutex
	pending map[subject]*pending
	nodes   map[string]*node
	wanting map[evidence.Ref]time.Time // when workloads without pods were last looked at
	unseen  map[string]bool            // namespaces, or all, whose pods have not been seen yet
}

// Fresh is a pod with news that are not in the history yet.
type fresh struct {
	pod    *corev1.Pod // nil where there is nothing but to forget it
	news   News
	gone   bool // it was deleted
	seen   time.Time
	forget types.UID // what the history may forget of it once it has the rest; empty for nothing
}

// Run watches until the context ends, and returns why it ended. It may be called again, and goes on from what the history knows:
// also where another process has written to it meanwhile. What was seen and is not in the history yet when it ends is found again
// by the next.
func (r *Recorder) Run(ctx context.Context) error {
	open, err := r.begin(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	run := func(f func(context.Context) error) {
		group.Go(func() {
			if err := f(ctx); err != nil {
				stop(err)
			}
		})
	}
	for _, lane := range r.fresh {
		run(func(ctx context.Context) error { return r.admit(ctx, lane) })
	}
	for range captures {
		run(r.capture)
	}
	run(r.keepEvents)
	run(r.keepForgetting)
	run(r.resume)
	run(r.glances)
	run(r.clears)
	for _, w := range r.watches(ctx) {
		run(func(ctx context.Context) error { return r.follow(ctx, w, w.gapIn(open)) })
	}
	group.Wait()
	r.leave(ctx)
	r.end()
	return context.Cause(ctx)
}

// leave notes until when the cluster was watched, if the history takes that still.
func (r *Recorder) leave(ctx context.Context) {
	if !r.counts.inStep.Load() {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	if err := r.Store.Beat(ctx, r.Cluster, r.Now()); err != nil {
		r.Log.Debug("that it watches no more is not noted", "err", err)
	}
}

// end forgets what was watched.
func (r *Recorder) end() {
	r.counts.end()
	r.ledger, r.queue, r.crowd, r.outcry, r.leases, r.things, r.fresh = nil, nil, nil, nil, nil, nil, nil
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending, r.nodes, r.wanting, r.unseen = nil, nil, nil, nil
}

// begin reads what the history knows, and returns the gaps that were open when the last process ended: nothing has been heard since of what
// they name.
func (r *Recorder) begin(ctx context.Context) ([]history.Gap, error) {
	before, err := r.Store.Begin(ctx, r.Cluster, r.Now())
	if err != nil {
		return nil, fmt.Errorf("begin the history of this cluster: %w", err)
	}
	known, err := r.Store.Last(ctx, r.Cluster)
	if err != nil {
		return nil, fmt.Errorf("read what was seen last: %w", err)
	}
	open, err := r.openGaps(ctx, before)
	if err != nil {
		return nil, err
	}
	r.ledger = NewLedger(knownOf(known), !before.Looked, before.Since)
	r.queue, r.crowd, r.outcry, r.leases, r.things = newQueue[subject](r.Now), newCrowd(), newOutcry(), newLeases(), newThings()
	r.fresh, r.events, r.forget = newLanes(), make(chan history.Event, 1024), make(chan string, 1024)
	r.synced, r.holds = make(chan struct{}), make(chan struct{}, mostHeld)
	r.mu.Lock()
	r.pending, r.nodes, r.wanting, r.unseen = map[subject]*pending{}, map[string]*node{}, map[evidence.Ref]time.Time{}, map[string]bool{}
	for _, namespace := range r.scope() {
		r.unseen[namespace] = true
	}
	r.mu.Unlock()
	r.counts.begin(r)
	return open, nil
}

func knownOf(last []history.Last) []Known {
	known := make([]Known, len(last))
	for i, l := range last {
		known[i] = Known{Pod: types.UID(l.PodUID), Namespace: l.Of.Namespace, Container: l.Of.Container, Ended: l.Of.Attempt, Base: l.Base, Finished: l.Finished}
	}
	return known
}

// insist writes to the history until it takes it: what is not taken now, because there is no room or no database, waits, and the
// watch with it. It gives up where the context ends, and where the history takes nothing of this process any more.
func (r *Recorder) insist(ctx context.Context, what string, write func() error) error {
	for pause := shortest; ; pause = min(2*pause, longest) {
		err := write()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, history.ErrClosed), errors.Is(err, history.ErrDeposed):
			return fmt.Errorf("%s: %w", what, err)
		}
		r.counts.unwritten.Add(1)
		r.Log.Error("the history does not take what happened: trying again", "what", what, "pause", pause, "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
