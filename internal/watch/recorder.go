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
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

const (
	// settle is how long after an end its capture begins: the Event of it, the kernel's and the runtime's word come within that.
	settle = 1500 * time.Millisecond
	// patience is how long what is in trouble without a death is left alone: most of it passes.
	patience = 15 * time.Second
	// captures is how many are made at a time. Each is fifteen requests at most.
	captures = 4
	// glance is how often is looked for what time alone brought into trouble.
	glance = 10 * time.Second
)

// A Recorder watches a cluster and gives what happens to its history.
type Recorder struct {
	Client  rest.Interface // of the core API
	Source  diagnosis.Source
	Rules   []*diagnosis.Rule
	Store   *history.Store
	Cluster string // which one it is, in the history
	Version string // of the program, kept with each report
	Log     *slog.Logger
	Now     func() time.Time

	ledger *Ledger
	queue  *queue[subject]
	fresh  chan fresh

	mu      sync.Mutex
	pending map[subject]*pending
	nodes   map[string]bool // whether each is ready
}

// Pending is what a capture is to settle.
type pending struct {
	deaths []unsettled
}

// Unsettled is a death in the history, and its run as the status numbers it.
type unsettled struct {
	history.Death
	of evidence.Ref
}

// Fresh is a pod with news that are not in the history yet.
type fresh struct {
	pod  *corev1.Pod
	news News
}

// Run watches until the context ends.
func (r *Recorder) Run(ctx context.Context) error {
	first, err := r.Store.Begin(ctx, r.Cluster)
	if err != nil {
		return fmt.Errorf("begin the history of this cluster: %w", err)
	}
	known, err := r.Store.Last(ctx, r.Cluster)
	if err != nil {
		return fmt.Errorf("read what was seen last: %w", err)
	}
	r.ledger = NewLedger(knownOf(known), first, r.Now())
	r.queue = newQueue[subject](r.Now)
	r.fresh, r.pending, r.nodes = make(chan fresh, 256), map[subject]*pending{}, map[string]bool{}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	failed := make(chan error, 8)
	run := func(f func(context.Context) error) {
		group.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				failed <- err
				stop()
			}
		})
	}
	for range captures {
		run(r.admit)
		run(r.capture)
	}
	run(r.stream("pods", r.seePod, r.gonePods).Run)
	run(r.stream("nodes", r.seeNode, nil).Run)
	run(r.stream("events", r.seeEvent, nil).Run)
	run(r.glances)
	group.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

func knownOf(last []history.Last) []Known {
	known := make([]Known, len(last))
	for i, l := range last {
		known[i] = Known{Pod: types.UID(l.PodUID), Container: l.Of.Container, Ended: l.Of.Attempt, Base: l.Base}
	}
	return known
}

// stream follows one kind and has what was not seen of it noted.
func (r *Recorder) stream(resource string, see func(apiwatch.EventType, evidence.Object), inStep func()) *Stream {
	begin := func() {}
	if resource == "pods" {
		begin = r.ledger.Begin
	}
	var blind time.Time
	return &Stream{
		Client: r.Client, Resource: resource, Now: r.Now, See: see, Begin: begin,
		InStep: func() {
			if inStep != nil {
				inStep()
			}
			if !blind.IsZero() {
				r.gap(resource, blind)
				blind = time.Time{}
			}
		},
		Broken: func(since time.Time, why error) {
			blind = since
			r.Log.Warn("a watch broke off", "resource", resource, "since", since, "err", why)
		},
	}
}

func (r *Recorder) gap(resource string, since time.Time) {
	gap := history.Gap{Cluster: r.Cluster, What: "nothing was heard of " + resource, From: since, To: r.Now()}
	if err := r.Store.Gaps(context.Background(), gap); err != nil {
		r.Log.Error("a gap was not kept", "err", err)
	}
}

func (r *Recorder) seePod(kind apiwatch.EventType, o evidence.Object) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	news := r.ledger.See(pod, r.Now())
	if len(news.Ended)+len(news.Missed) > 0 || news.Began {
		r.fresh <- fresh{pod, news}
	}
	if kind == apiwatch.Deleted {
		r.ledger.Delete(pod.UID)
	}
}

// gonePods lets go of pods that were deleted while nobody watched.
func (r *Recorder) gonePods() {
	for _, uid := range r.ledger.Gone() {
		if err := r.Store.Forget(context.Background(), r.Cluster, string(uid)); err != nil {
			r.Log.Error("a pod that is gone was not let go of", "uid", uid, "err", err)
		}
	}
}

func (r *Recorder) seeNode(kind apiwatch.EventType, o evidence.Object) {
	node, ok := o.(*corev1.Node)
	if !ok {
		return
	}
	ready := kind != apiwatch.Deleted
	for _, c := range node.Status.Conditions {
		ready = ready && (c.Type != corev1.NodeReady || c.Status == corev1.ConditionTrue)
	}
	r.mu.Lock()
	before, known := r.nodes[node.Name]
	r.nodes[node.Name] = ready
	r.mu.Unlock()
	if !ready && (before || !known) {
		r.look(subject{evidence.RefOf(node), node.UID}, nil, settle)
	}
}

func (r *Recorder) seeEvent(kind apiwatch.EventType, o evidence.Object) {
	event, ok := o.(*corev1.Event)
	if !ok || kind == apiwatch.Deleted {
		return
	}
	collect.RedactObject(event)
	kept := history.Event{Cluster: r.Cluster, ID: string(event.UID), Event: evidence.EventOf(event)}
	if err := r.Store.Events(context.Background(), kept); err != nil {
		r.Log.Error("an Event was not kept", "err", err)
	}
}

// admit gives news to the history, with what the status alone proves, and has their evidence captured.
func (r *Recorder) admit(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f := <-r.fresh:
			if err := r.take(ctx, f); err != nil {
				return err
			}
		}
	}
}

func (r *Recorder) take(ctx context.Context, f fresh) error {
	deaths := r.deaths(f)
	if err := r.record(ctx, deaths); err != nil {
		return err
	}
	of := subject{evidence.RefOf(f.pod), f.pod.UID}
	if len(f.news.Ended) > 0 {
		r.look(of, deaths, settle)
	} else if f.news.Began {
		r.look(of, nil, patience)
	}
	return nil
}

// record commits deaths.
func (r *Recorder) record(ctx context.Context, deaths []unsettled) error {
	kept := make([]history.Death, len(deaths))
	for i := range deaths {
		kept[i] = deaths[i].Death
	}
	if err := r.Store.Record(ctx, kept...); err != nil {
		return fmt.Errorf("keep %d deaths: %w", len(deaths), err)
	}
	return nil
}

// deaths returns what is new of a pod as the history keeps it, with a provisional verdict.
func (r *Recorder) deaths(f fresh) []unsettled {
	pod, workload := f.pod, workloadOf(f.pod)
	base := history.Death{
		Cluster: r.Cluster, Kind: history.Died, PodUID: string(pod.UID), Workload: workload, Node: pod.Spec.NodeName, Seen: r.Now(),
	}
	of := func(e End) unsettled {
		d := unsettled{base, e.Of}
		d.Of, d.Base, d.Image = e.Of.InAttempt(e.Number), e.Base, imageOf(pod, e.Of.Container)
		d.Started, d.Finished, d.ExitCode, d.Signal, d.Reason = e.Started, e.Finished, e.ExitCode, e.Signal, e.Reason
		return d
	}
	var deaths []unsettled
	for _, e := range f.news.Missed {
		d := of(e)
		d.Missing = "it ended between two states that were seen: the API tells of the last end alone"
		deaths = append(deaths, d)
	}
	if len(f.news.Ended) == 0 {
		return deaths
	}
	told := r.tell(aloneOf(pod, r.Now()))
	for _, e := range f.news.Ended {
		d := of(e)
		d.Verdict = told.verdict(d.of, workload)
		deaths = append(deaths, d)
	}
	return deaths
}

// aloneOf returns what is known from the state of a pod alone.
func aloneOf(pod *corev1.Pod, now time.Time) *evidence.Snapshot {
	collect.RedactObject(pod)
	s := &evidence.Snapshot{
		Taken: now, Has: evidence.Spec | evidence.Status, Objects: []evidence.Object{pod},
		Subject: evidence.RefOf(pod), Asked: []evidence.Ref{evidence.RefOf(pod)},
	}
	for _, kind := range []evidence.Kind{evidence.Events, evidence.Logs, evidence.Usage, evidence.Node, evidence.Host} {
		s.Gaps = append(s.Gaps, evidence.Gap{Kind: kind, Why: "not read yet"})
	}
	return s.Freeze()
}

// look has something captured after a pause, and the deaths settled by that.
func (r *Recorder) look(at subject, deaths []unsettled, pause time.Duration) {
	r.mu.Lock()
	p := r.pending[at]
	if p == nil {
		p = &pending{}
		r.pending[at] = p
	}
	for _, d := range deaths {
		if d.Verdict != nil { // what was missed will not be found
			d.Verdict = nil // is in the history
			p.deaths = append(p.deaths, d)
		}
	}
	r.mu.Unlock()
	if r.queue.put(at, pause, rankOf(deaths)) {
		return
	}
	r.Log.Warn("too much waits to be captured", "not captured", at.ref.String())
	r.mu.Lock()
	delete(r.pending, at)
	r.mu.Unlock()
}

// glances looks for pods that time alone brought into trouble.
func (r *Recorder) glances(ctx context.Context) error {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for _, at := range r.ledger.Due(r.Now()) {
			r.look(at, nil, 0)
		}
		if err := r.Store.Sweep(ctx, r.Now()); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("move incidents on: %w", err)
		}
	}
}

func rankOf(deaths []unsettled) rank {
	if len(deaths) > 0 {
		return usual
	}
	return later
}
