// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

const (
	// again is how long after a look at something in trouble it is looked at again, as long as it is: within the window of an
	// incident.
	again = 5 * time.Minute
	// soon is how long after the first look: what it is in may need half a minute to be told from what it looks like.
	soon = time.Minute
	// tries is how often a capture is tried. The pauses between them double, and add up to some twenty minutes.
	tries = 12
	// breather is how long one waits whose representatives are being captured.
	breather = time.Second
)

// Pending is what a capture is to settle.
type pending struct {
	deaths []unsettled
	stuck  *history.Death // what is kept of a pod that is in trouble, as far as its status tells
	like   likeness       // of that
	failed int            // how often its capture was tried
	looked bool           // it was found in trouble before
}

// likeness returns what it has in common with others: that of its last death, or of its trouble.
func (p *pending) likeness() likeness {
	if n := len(p.deaths); n > 0 {
		return p.deaths[n-1].like
	}
	return p.like
}

// node names where the pod is that it is of.
func (p *pending) node() string {
	if n := len(p.deaths); n > 0 {
		return p.deaths[n-1].Node
	}
	return p.stuck.Node
}

// look has something captured after a pause, and what is pending settled by that.
func (r *Recorder) look(ctx context.Context, at subject, what *pending, pause time.Duration) error {
	r.mu.Lock()
	p := r.pending[at]
	if p == nil {
		p = &pending{like: what.like}
		r.pending[at] = p
	}
	p.deaths = append(p.deaths, what.deaths...)
	p.failed, p.looked = max(p.failed, what.failed), p.looked || what.looked
	if what.stuck != nil {
		p.stuck, p.like = what.stuck, what.like
	}
	first := later
	if len(p.deaths) > 0 {
		if first = urgent; r.crowd.knows(p.likeness()) {
			first = usual
		}
	}
	room := r.queue.put(at, pause, first)
	if !room {
		delete(r.pending, at)
	}
	r.mu.Unlock()
	if room {
		return nil
	}
	r.counts.dropped.Add(1)
	return r.giveUp(ctx, p.deaths, "too much waited to be captured")
}

// capture takes the evidence of what waits, one after the other.
func (r *Recorder) capture(ctx context.Context) error {
	for {
		at, err := r.queue.next(ctx)
		if err != nil {
			return err
		}
		r.mu.Lock()
		todo := r.pending[at]
		delete(r.pending, at)
		r.mu.Unlock()
		if todo != nil {
			err = r.settle(ctx, at, todo)
		}
		r.queue.done(at)
		if err != nil {
			return err
		}
	}
}

// isGone tells whether the watch says that something is there no more.
func (r *Recorder) isGone(at subject) bool {
	switch at.ref.Kind {
	case "Pod":
		return !r.ledger.Has(at.uid)
	case "Node":
		n := r.nodeOf(at.ref.Name)
		return n == nil || n.UID != at.uid
	}
	return false
}

// settle captures the evidence of one thing and gives the history what it proves.
func (r *Recorder) settle(ctx context.Context, at subject, todo *pending) error {
	const gone = "it was gone before its evidence could be captured"
	ctx = within(ctx, todo.deaths)
	if r.isGone(at) {
		return r.giveUp(ctx, todo.deaths, gone)
	}
	if todo.stuck != nil && len(todo.deaths) > 0 { // what it is in besides is looked at by itself: it may be out of that by then
		if err := r.look(ctx, at, &pending{stuck: todo.stuck, like: todo.like}, patience); err != nil {
			return err
		}
		todo.stuck = nil
	}
	like, beside := todo.likeness(), later
	if len(todo.deaths) > 0 { // which nothing without a death is in the way of
		beside = usual
	}
	switch what, other := r.crowd.choose(like, r.queue.crowded(few, beside), r.Now()); what {
	case waitForIt:
		return r.look(ctx, at, todo, breather)
	case likeOthers:
		return r.takeAlike(ctx, at, todo, other)
	case captureIt:
	}
	taking, taken := span(ctx, "capture", at.ref)
	s, err := r.Source.Snapshot(taking, evidence.Selection{Ref: at.ref, Namespace: at.ref.Namespace, NoLogs: at.isNamed()})
	taken(err)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.crowd.failed(like)
		if !at.isNamed() { // that may be gone long since
			r.counts.failures.Add(1)
		}
		if ended := respite(ctx, err); ended != nil {
			return ended
		}
		if todo.failed++; todo.failed >= tries || at.isNamed() { // that is looked at again when its controller has failed again
			return r.giveUp(ctx, todo.deaths, "its evidence could not be captured: "+err.Error())
		}
		return r.look(ctx, at, todo, settle<<min(todo.failed, 7))
	}
	if o := s.Object(at.ref); at.uid != controlPlane && (o == nil || !at.isNamed() && o.GetUID() != at.uid) {
		r.crowd.failed(like)
		return r.giveUp(ctx, todo.deaths, gone)
	}
	r.counts.captures.Add(1)
	return r.judge(ctx, at, todo, s)
}

// respite waits for as long as an API server asked for that refused something, with the thing in hand: of what else there is to capture, and
// should it die again meanwhile, no more is asked for than those do who capture.
func respite(ctx context.Context, err error) error {
	seconds, asks := apierrors.SuggestsClientDelay(err)
	if !asks {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(time.Duration(seconds)*time.Second, mostRespite)):
		return nil
	}
}

// judge gives the history what a capture proves.
func (r *Recorder) judge(ctx context.Context, at subject, todo *pending, s *evidence.Snapshot) error {
	var known, stay []unsettled
	for _, d := range todo.deaths {
		if d.find(s) {
			known = append(known, d)
		} else {
			stay = append(stay, d)
		}
	}
	doubted, err := r.doubted(ctx, at.ref, s)
	if err != nil {
		return err
	}
	told := r.diagnose(ctx, at.ref, withRuns(s, slices.Concat(known, doubted)))
	r.outcry.learn(at.ref, told)
	is := told.verdicts(s, at.ref, known)
	deaths, stay := is.deaths, append(stay, is.unknown...)
	err = errors.Join(r.giveUp(ctx, stay, "it had been started again before its evidence was captured"),
		r.giveUp(ctx, is.deleted, "its pod was being deleted before its evidence was captured"))
	r.letGo(deaths) // after the others: what is held may be held for both
	if err != nil || len(stay)+len(is.deleted) > 0 && len(deaths)+len(is.open) == 0 {
		r.crowd.failed(todo.likeness())
		return err
	}
	if len(deaths)+len(is.open) == 0 {
		if d, found := r.trouble(s, at, told, todo.looked); found {
			deaths = []unsettled{d}
		}
	}
	r.blame(ctx, s, deaths)
	switch {
	case !is.until.IsZero():
		return r.listen(ctx, at, s, todo.likeness(), is)
	case len(deaths) == 0: // it got well
		r.crowd.failed(todo.like)
		return r.lookIfClosed(ctx, at, todo, s)
	}
	r.crowd.learn(todo.likeness(), representativeOf(deaths), r.Now())
	if err := errors.Join(r.record(ctx, deaths), r.reconsider(ctx, at, s, deaths), r.revise(ctx, at.ref, told)); err != nil || len(todo.deaths) > 0 {
		return err
	}
	pause := again
	if !todo.looked {
		pause = soon
	}
	return r.look(ctx, at, &pending{stuck: todo.stuck, like: todo.like, looked: true}, pause)
}

// diagnose returns what is told of a snapshot, of one after the other.
func (r *Recorder) diagnose(ctx context.Context, at evidence.Ref, s *evidence.Snapshot) telling {
	r.think.Lock()
	defer r.think.Unlock()
	_, done := span(ctx, "diagnose", at)
	defer done(nil)
	return r.tell(s)
}

// lookIfClosed has a node that is closed looked at again: that somebody cannot empty it shows with time.
func (r *Recorder) lookIfClosed(ctx context.Context, at subject, todo *pending, s *evidence.Snapshot) error {
	if n, ok := s.Object(at.ref).(*corev1.Node); ok && n.Spec.Unschedulable {
		return r.look(ctx, at, &pending{like: todo.like}, again)
	}
	return nil
}

// A judgement parts deaths by what is told of them.
type judgement struct {
	deaths  []unsettled // that have a verdict by it
	open    []unsettled // of which a verdict that they have is as much as is known yet
	unknown []unsettled // of which a verdict that they have says more
	deleted []unsettled // of which it tells only that their pod was being deleted by then
	until   time.Time   // when to look again, where that may settle one; zero for never
}

// verdicts gives deaths what is told of them.
func (t telling) verdicts(s *evidence.Snapshot, at evidence.Ref, known []unsettled) (is judgement) {
	for _, d := range known {
		d.looks++
		a := t.answerAlike(d.run.Of, d.Workload)
		later := d.listens(s, a)
		switch first := d.like.rule != "" || d.early != nil; { // which says more
		case d.early != nil && !later.IsZero():
			is.open, is.until = append(is.open, d), sooner(is.until, later)
		case first && !a.found, d.early != nil && a.confidence != diagnosis.Certain.String(): // by then its log may be gone
			is.unknown = append(is.unknown, d)
		case first && a.effect == diagnosis.PodDeleted && !disruptedIn(s, at):
			is.deleted = append(is.deleted, d)
		default:
			d.Verdict, d.about = t.verdictOf(a), a.about
			d.Verdict.Settled = later.IsZero()
			is.deaths, is.until = append(is.deaths, d), sooner(is.until, later)
		}
	}
	return is
}

// disruptedIn tells whether a pod of the snapshot has to go because of a disruption.
func disruptedIn(s *evidence.Snapshot, ref evidence.Ref) bool {
	pod, ok := s.Object(ref).(*corev1.Pod)
	return ok && disrupted(pod)
}

// takeAlike settles what died or is in trouble in a crowd as those that were captured.
func (r *Recorder) takeAlike(ctx context.Context, at subject, todo *pending, other representative) error {
	if len(todo.deaths) == 0 && todo.stuck == nil { // only a look can tell whether it is in trouble, and of what workload
		return r.look(ctx, at, todo, patience)
	}
	if thing := other.verdict.Thing; thing.Kind == "Node" && thing.Name != todo.node() { // it does not die of that one
		if todo.stuck != nil {
			return r.look(ctx, at, todo, patience)
		}
		return r.giveUp(ctx, todo.deaths, "it was not captured, as too many died at the same time")
	}
	r.counts.alike.Add(max(int64(len(todo.deaths)), 1))
	const why = "it was not captured, as too many died at the same time: it is judged as one that died like it"
	v := other.verdict
	v.Names = append(slices.Clone(v.Names), evidence.RefTo("", other.of.Namespace, other.of.Name))
	v.Message, v.Settled, v.Version = fmt.Sprintf("like %s: %s", other.of, v.Message), true, r.Version
	if v.Confidence == diagnosis.Certain.String() {
		v.Confidence = diagnosis.Likely.String()
	}
	deaths := todo.deaths
	if len(deaths) == 0 {
		deaths = []unsettled{{Death: *todo.stuck, like: todo.like}}
	}
	var same, others []unsettled
	for _, d := range deaths {
		if d.Kind == history.Died && (d.early != nil || d.like != todo.likeness() || d.like.rule == v.Rule && d.like.thing == v.Thing) {
			same = append(same, d) // what was told of it at first stands
			continue
		}
		d.Verdict, d.Missing = &v, why
		others = append(others, d)
	}
	if err := r.giveUp(ctx, same, why); err != nil {
		return err
	}
	r.letGo(others)
	return r.record(ctx, others)
}

// giveUp notes why there will be no more evidence of deaths.
func (r *Recorder) giveUp(ctx context.Context, deaths []unsettled, why string) error {
	defer over(deaths...)
	deaths, err := r.stand(ctx, deaths)
	if err != nil || len(deaths) == 0 {
		return err
	}
	if err := r.keepHeld(ctx, deaths); err != nil {
		return err
	}
	kept := make([]history.Death, len(deaths))
	for i := range deaths {
		kept[i] = deaths[i].Death
	}
	return r.insist(ctx, "note what was not captured", func() error { return r.Store.GiveUp(ctx, why, kept...) })
}

// trouble returns what the history keeps of a thing that is in trouble without a death, if it still is, or was until it was looked at for
// the first time.
func (r *Recorder) trouble(s *evidence.Snapshot, at subject, told telling, looked bool) (d unsettled, found bool) {
	d.Death = history.Death{Cluster: r.Cluster, Kind: history.Stuck, PodUID: string(at.uid), Of: at.ref, Workload: at.ref, Seen: r.Now()}
	if at.isNamed() {
		o := s.Object(s.Subject) // of an autoscaler it is what that scales
		if o == nil {
			return d, false
		}
		a, found := told.unseen(s.Subject)
		d.PodUID, d.Of, d.Workload = string(o.GetUID()), s.Subject, s.Subject
		d.settleBy(told, a)
		return d, found
	}
	still := false
	switch o := s.Object(at.ref).(type) {
	case *corev1.Pod:
		d.Workload, d.Node, d.Reason = WorkloadOf(o), o.Spec.NodeName, o.Status.Reason
		if still = unwell(o, s.Taken); !still && tellsOfDeaths(o) { // what is told of it is told of those
			return d, false
		}
	case *corev1.Node:
		d.Node, still = o.Name, troubleIn(o) != ""
		switch {
		case still:
		case o.Spec.Unschedulable: // for itself that is no trouble
			a, found := told.unseen(at.ref)
			d.settleBy(told, a)
			return d, found
		case looked && !r.outcry.lasts(o.Name): // what it was in is over
			return d, false
		}
	}
	a := told.answerFor(at.ref, cmp.Or(d.Workload, at.ref))
	d.settleBy(told, a)
	return d, a.found || still
}

// settleBy gives a death the verdict that settles it.
func (d *unsettled) settleBy(told telling, a answer) {
	d.Verdict, d.about = told.verdictOf(a), a.about
	d.Verdict.Settled = true
}

// resume has captured what the last process, or another one, had begun to: what has a provisional verdict only.
func (r *Recorder) resume(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.synced:
	}
	if err := r.insist(ctx, "note that all was seen", func() error { return r.Store.Looked(ctx, r.Cluster) }); err != nil {
		return err
	}
	if !r.away.IsZero() {
		gap := history.Gap{Cluster: r.Cluster, What: nobody, From: r.away, To: r.Now()}
		if err := r.insist(ctx, "keep a gap", func() error { return r.Store.Gaps(ctx, gap) }); err != nil {
			return err
		}
	}
	f := history.Filter{Cluster: r.Cluster, Unsettled: true, Limit: 500}
	for {
		var page history.Deaths
		err := r.insist(ctx, "read what was not settled", func() (err error) {
			page, err = r.Store.Deaths(ctx, f)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range page.Items {
			if err := r.resumeOne(ctx, d); err != nil {
				return err
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return nil
		}
	}
}

// runOf returns the run that a death on record ended, as the status numbers it.
func runOf(d history.Death) evidence.Attempt {
	run := evidence.Attempt{
		Of: d.Of, Started: d.Started, Finished: d.Finished, ExitCode: d.ExitCode, Signal: d.Signal, Reason: d.Reason, Where: "history",
	}
	if d.Kind == history.Died {
		run.Of = d.Of.InAttempt(d.Of.Attempt - d.Base)
	}
	return run
}

func (r *Recorder) resumeOne(ctx context.Context, d history.Death) error {
	open := unsettled{Death: d, run: runOf(d)}
	if v := d.Verdict; v != nil {
		open.like = likeness{v.Rule, v.Thing, d.ExitCode, d.Reason}
		if d.HasBundle { // it was captured, and not settled by that
			early := *v
			early.Settled = true
			open.early = &early
		}
	}
	open.Verdict = nil
	again := []unsettled{open}
	begin(ctx, d.Of.Object(), again)
	return r.look(ctx, subject{evidence.RefTo("Pod", d.Of.Namespace, d.Of.Name), types.UID(d.PodUID)}, &pending{deaths: again}, 0)
}

// A telling is what is told of a snapshot: the report, in both its forms, and what it was made from.
type telling struct {
	s       *evidence.Snapshot
	report  *diagnosis.Report
	json    []byte
	bundle  map[string][]byte
	version string
}

func (r *Recorder) tell(s *evidence.Snapshot) telling {
	t := telling{s: s, report: diagnosis.Examine(s, r.Rules), version: r.Version}
	written := report.New(t.report)
	if r.Own != nil {
		r.Own(s, written.Causes)
	}
	var err error
	if t.json, err = report.JSON([]report.Report{written}); err != nil {
		r.Log.Error("a report was not kept", "err", err)
	}
	if t.bundle, err = collect.Files(s); err != nil {
		r.Log.Error("the evidence was not kept", "err", err)
	}
	return t
}

// verdict returns what is told of one end.
func (t telling) verdict(of, workload evidence.Ref) *history.Verdict {
	return t.verdictOf(t.answerFor(of, workload))
}

func (t telling) verdictOf(a answer) *history.Verdict {
	return &history.Verdict{
		Rule: a.rule, Confidence: a.confidence, Message: a.message, Names: named(t.s, a.message), Thing: a.thing,
		Report: t.json, Bundle: t.bundle, Version: t.version,
	}
}
