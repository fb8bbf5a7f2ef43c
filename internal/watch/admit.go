// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// An unsettled is a death that is on record, and what its capture needs to know of it.
type unsettled struct {
	history.Death
	run  evidence.Attempt // as the status numbers it
	id   string           // of its container, as the runtime names it; empty where that is not known
	like likeness
	held *held // its pod, where the state of that is not on record

	passing *passing // nil where nobody wants to know how long what took

	early *history.Verdict // of a first capture, which could not settle it yet
	looks int              // how often it was captured
	about evidence.Ref     // what the cause of its verdict is about
}

// Lanes are what admissions take news from: those of one pod from one of them, so that of its deaths the earlier is on record before
// the later. A recorder that begins anew goes on from the last that it finds.
type lanes []chan fresh

func newLanes() lanes {
	all := make(lanes, admissions)
	for i := range all {
		all[i] = make(chan fresh, 2)
	}
	return all
}

var seed = maphash.MakeSeed()

func (l lanes) of(pod types.UID) chan fresh {
	return l[maphash.String(seed, string(pod))%uint64(len(l))]
}

func (l lanes) waiting() (n int) {
	for _, lane := range l {
		n += len(lane)
	}
	return n
}

// admit gives news to the history, with what the status alone proves, and has their evidence captured.
func (r *Recorder) admit(ctx context.Context, lane <-chan fresh) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f := <-lane:
			if f.pod != nil {
				if err := r.take(ctx, f); err != nil {
					return err
				}
			}
			if f.forget != "" { // by now its last deaths are on record: until then a process that ends finds them again
				send(ctx, r.forget, string(f.forget))
			}
		}
	}
}

func (r *Recorder) take(ctx context.Context, f fresh) error {
	f.mask()
	deaths := r.deaths(ctx, f)
	begin(ctx, evidence.RefOf(f.pod), deaths)
	ctx = within(ctx, deaths)
	if err := r.record(ctx, deaths); err != nil {
		return err
	}
	if err := r.pass(ctx, f); err != nil { // after the deaths, which may be of earlier runs
		return err
	}
	r.counts.told(r.Now(), f)
	var open []unsettled
	for _, d := range deaths {
		if d.Verdict != nil && !d.Verdict.Settled { // of what was missed there is nothing more to be found
			d.Verdict = nil // is in the history
			open = append(open, d)
		} else {
			over(d)
		}
	}
	if f.gone {
		return r.giveUp(ctx, open, "it was deleted before its evidence could be captured")
	}
	of := subject{evidence.RefOf(f.pod), f.pod.UID}
	told := slices.ContainsFunc(open, func(d unsettled) bool { return d.Kind == history.Stuck })
	if f.news.Began && !told {
		stuck := r.baseOf(f.pod, history.Stuck)
		if err := r.look(ctx, of, &pending{stuck: &stuck, like: troubleOf(f.pod)}, patience); err != nil {
			return err
		}
	}
	if len(open) == 0 {
		return nil
	}
	return r.look(ctx, of, &pending{deaths: open}, settle)
}

// mask takes out of news what must not be kept: nothing before this has kept any of it.
func (f *fresh) mask() {
	collect.RedactObject(f.pod)
	for i := range f.news.Ended {
		e := &f.news.Ended[i]
		e.Message, _ = collect.Redact(e.Message)
	}
}

// pass notes which ends are accounted for without a death.
func (r *Recorder) pass(ctx context.Context, f fresh) error {
	if len(f.news.Passed) == 0 {
		return nil
	}
	marks := make([]history.Last, len(f.news.Passed))
	for i, e := range f.news.Passed {
		marks[i] = history.Last{PodUID: string(f.pod.UID), Of: e.Of.InAttempt(e.Number), Base: e.Base, Workload: WorkloadOf(f.pod)}
	}
	return r.insist(ctx, "note what ended before", func() error { return r.Store.Mark(ctx, r.Cluster, marks...) })
}

// record commits deaths, as the last look at their node has them where that goes on, and has looked at what several of them have in common.
func (r *Recorder) record(ctx context.Context, deaths []unsettled) error {
	if len(deaths) == 0 {
		return nil
	}
	r.inherit(deaths)
	kept := make([]history.Death, len(deaths))
	for i := range deaths {
		kept[i] = deaths[i].Death
	}
	ctx, done := span(ctx, "commit", kept[0].Of)
	err := r.keep(ctx, kept)
	done(err)
	r.hark(deaths)
	for _, d := range deaths {
		if d.Verdict != nil && d.Verdict.Settled {
			over(d)
		}
	}
	return err
}

// mostKept is how many deaths the history is given at a time. Of a pod whose containers restarted often while nobody watched there are more.
const mostKept = 1000

func (r *Recorder) keep(ctx context.Context, deaths []history.Death) error {
	for some := range slices.Chunk(deaths, mostKept) {
		if err := r.insist(ctx, fmt.Sprintf("keep %d deaths", len(some)), func() error { return r.Store.Record(ctx, some...) }); err != nil {
			return err
		}
	}
	return nil
}

// baseOf returns what the history keeps of a pod whatever happened to it.
func (r *Recorder) baseOf(pod *corev1.Pod, kind history.Kind) history.Death {
	return history.Death{
		Cluster: r.Cluster, Kind: kind, PodUID: string(pod.UID), Of: evidence.RefOf(pod), Workload: WorkloadOf(pod), Node: pod.Spec.NodeName,
		Reason: pod.Status.Reason, Seen: r.Now(),
	}
}

// deaths returns what is new of a pod as the history keeps it, with a provisional verdict.
func (r *Recorder) deaths(ctx context.Context, f fresh) []unsettled {
	pod := f.pod
	base := r.baseOf(pod, history.Died)
	of := func(e End) unsettled {
		d := unsettled{Death: base, run: e.Attempt}
		d.Of, d.Base, d.Image = e.Of.InAttempt(e.Number), e.Base, imageOf(pod, e.Of.Container)
		d.id = containersOf(pod, e.Of.Container)[e.Of.Attempt]
		d.Started, d.ExitCode, d.Signal, d.Reason = e.Started, e.ExitCode, e.Signal, e.Reason
		if !misdated(pod, e.Finished, base.Seen) {
			d.Finished = e.Finished
		}
		return d
	}
	var deaths []unsettled
	for _, e := range f.news.Missed {
		d := of(e)
		d.Missing = "it ended between two states that were seen: the API tells of the last end alone"
		if st := evidence.ContainerStatus(pod, e.Of.Container); st != nil && e.Of.Attempt == int(st.RestartCount)-1 && st.LastTerminationState.Terminated == nil {
			d.Missing = "its end was not recorded: the status counts a restart and does not tell how the run before ended"
		}
		deaths = append(deaths, d)
	}
	atOnce := f.news.Began && len(f.news.Ended) == 0 && (f.gone || pod.Status.Phase == corev1.PodFailed)
	if len(f.news.Ended) == 0 && !atOnce {
		return deaths
	}
	judge, h := r.judgement(ctx, f)
	for _, e := range f.news.Ended {
		if d, is := judge(of(e), e.Of); is {
			d.held = h
			deaths = append(deaths, d)
		}
	}
	if atOnce {
		if d, is := judge(unsettled{Death: r.baseOf(pod, history.Stuck), run: evidence.Attempt{Of: evidence.RefOf(pod)}}, evidence.RefOf(pod)); is && !d.Verdict.Settled {
			deaths = append(deaths, d)
		}
	}
	if h != nil && !slices.ContainsFunc(deaths, func(d unsettled) bool { return d.held == h }) {
		r.letGo([]unsettled{{held: h}})
	}
	return deaths
}

// judgement returns what gives the ends of a pod their provisional verdicts, and tells whether they are worth one: one that came of
// the pod being deleted is not. Where the state of the pod is not written with them, it returns the pod that is held.
func (r *Recorder) judgement(ctx context.Context, f fresh) (func(d unsettled, of evidence.Ref) (unsettled, bool), *held) {
	before, told, h := r.troubleBefore(ctx, f.pod), telling{}, (*held)(nil)
	if before == nil {
		if len(f.news.Ended) > 0 && !f.gone {
			h = r.hold(f.pod)
		}
		told = r.tellFirst(f.pod, h)
	}
	return func(d unsettled, of evidence.Ref) (unsettled, bool) {
		if d.Verdict = before; before == nil {
			a := r.firstAnswer(told, f.pod, of, d.Workload)
			if a.effect == diagnosis.PodDeleted && !disrupted(f.pod) {
				return d, false
			}
			d.Verdict = told.verdictOf(a)
		}
		d.like = likeness{d.Verdict.Rule, d.Verdict.Thing, d.ExitCode, d.Reason}
		return d, true
	}, h
}

// troubleBefore returns the verdict of what a pod that had to go was in before: the end of its containers, or it being deleted with
// its node, is the end of that trouble, and no other.
func (r *Recorder) troubleBefore(ctx context.Context, pod *corev1.Pod) *history.Verdict {
	if pod.DeletionTimestamp == nil && !disrupted(pod) {
		return nil
	}
	page, err := r.Store.Deaths(ctx, history.Filter{Cluster: r.Cluster, Pod: string(pod.UID), From: r.Now().Add(-time.Hour), Limit: 20})
	if err != nil {
		return nil // it is judged by itself
	}
	for _, d := range page.Items {
		if v := d.Verdict; d.Kind == history.Stuck && v != nil && v.Settled && v.Rule != "" {
			return &history.Verdict{Rule: v.Rule, Confidence: v.Confidence, Message: v.Message, Names: v.Names, Thing: v.Thing, Settled: true, Version: r.Version}
		}
	}
	return nil
}

// firstAnswer returns what is told of a pod's state alone says of an end; where that is of the run before the last, by the state as it
// was then.
func (r *Recorder) firstAnswer(told telling, pod *corev1.Pod, of, workload evidence.Ref) answer {
	a := told.answerFor(of, workload)
	if earlier := beforeLast(pod, of); !a.found && earlier != nil {
		s := r.aloneOf(earlier)
		a = telling{s: s, report: diagnosis.Examine(s, r.Rules)}.answerFor(of, workload)
	}
	return a
}

// beforeLast returns a pod as it was before the last run of a container ended, where the given run is the one before that and the
// status tells of both: rules explain the last end. Else it returns nil.
func beforeLast(pod *corev1.Pod, of evidence.Ref) *corev1.Pod {
	earlier := pod.DeepCopy()
	for st := range statuses(earlier) {
		if st.Name == of.Container && st.State.Terminated != nil && st.LastTerminationState.Terminated != nil && of.Attempt == int(st.RestartCount)-1 {
			st.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: st.State.Terminated.StartedAt}}
			return earlier
		}
	}
	return nil
}

// aloneOf returns what is known from the state of a pod alone, and of its node.
func (r *Recorder) aloneOf(pod *corev1.Pod) *evidence.Snapshot {
	s := &evidence.Snapshot{
		Taken: r.Now(), Has: evidence.Spec | evidence.Status, Objects: []evidence.Object{pod},
		Subject: evidence.RefOf(pod), Asked: []evidence.Ref{evidence.RefOf(pod)},
	}
	missing := []evidence.Kind{evidence.Events, evidence.Logs, evidence.Usage, evidence.Host}
	if n := r.nodeOf(pod.Spec.NodeName); n != nil {
		s.Objects, s.Has = append(s.Objects, n), s.Has|evidence.Node
	} else {
		missing = append(missing, evidence.Node)
	}
	for _, kind := range missing {
		s.Gaps = append(s.Gaps, evidence.Gap{Kind: kind, Why: "not read yet"})
	}
	return s.Freeze()
}

// ordered tells whether a run ended because its pod was told to go, as in each rollout. That needs no explaining; where a
// disruption told it to, it does. Both times are in whole seconds.
func ordered(pod *corev1.Pod, e End) bool {
	if pod.DeletionTimestamp == nil || disrupted(pod) || e.Reason == "OOMKilled" {
		return false
	}
	told := pod.DeletionTimestamp.Time
	if g := pod.DeletionGracePeriodSeconds; g != nil {
		told = told.Add(-time.Duration(*g) * time.Second)
	}
	return e.Finished.IsZero() || !e.Finished.Before(told)
}

// skew is by how much the clocks of a node, of the API server and of this machine may differ.
const skew = 10 * time.Minute

// misdated tells whether a run cannot have ended when its node says: after it was seen to have ended, or before its pod was made, as where
// the node has no clock that goes on without power. An incident at such a time would never be over, or over at once. A static pod may be
// older than what the API server has of it.
func misdated(pod *corev1.Pod, finished, seen time.Time) bool {
	_, static := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return finished.After(seen.Add(skew)) || !static && finished.Before(pod.CreationTimestamp.Add(-skew))
}

// disrupted tells whether something other than its owner or a person had a pod go: an eviction, a preemption, a taint, the loss
// of its node.
func disrupted(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// died tells whether the status of a pod tells of an end.
func died(pod *corev1.Pod) bool {
	for st := range statuses(pod) {
		if st.State.Terminated != nil {
			return true
		}
	}
	return false
}

// troubleOf returns what a pod in trouble has in common with others that are in the same.
func troubleOf(pod *corev1.Pod) likeness {
	reason := cmp.Or(pod.Status.Reason, string(pod.Status.Phase))
	for st := range statuses(pod) {
		if w := st.State.Waiting; w != nil && w.Reason != "" {
			reason = w.Reason
			break
		}
	}
	return likeness{thing: WorkloadOf(pod), reason: reason}
}
