// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// Replay gives the history what recordings of one incident tell, as if it had been watched, and returns the last of them that could be read.
// What each was recorded for goes before all that stands beside it in another: a verdict stays, and its own recording has its evidence.
// Of a Recorder it needs Rules, Store, Cluster, Version, Log and Now.
func (r *Recorder) Replay(ctx context.Context, recordings ...diagnosis.Source) (last *evidence.Snapshot, err error) {
	var beside []unsettled
	for _, source := range recordings {
		var s *evidence.Snapshot
		var asked []evidence.Ref // a single one is asked about all
		if len(recordings) > 1 {
			if s, err = source.Snapshot(ctx, evidence.Selection{}); err != nil {
				break
			}
			asked = s.Asked
		}
		if s, err = source.Snapshot(ctx, evidence.Selection{AllNamespaces: true}); err != nil {
			break
		}
		own, others := r.replayed(r.tell(s), asked)
		beside = append(beside, others...)
		if err = r.record(ctx, own); err != nil {
			break
		}
		if err = r.replayEvents(ctx, s.Events); err != nil {
			break
		}
		last = s
	}
	return last, errors.Join(err, r.record(ctx, beside))
}

// replayed returns the deaths of what a recording was made for, and those of others that it tells of.
func (r *Recorder) replayed(told telling, asked []evidence.Ref) (own, others []unsettled) {
	s := told.s
	for _, pod := range evidence.List[*evidence.Pod](s) {
		ref, workload := evidence.RefOf(pod), WorkloadOf(pod)
		base := history.Death{Cluster: r.Cluster, PodUID: string(pod.UID), Workload: workload, Node: pod.Spec.NodeName, Seen: s.Taken}
		if base.PodUID == "" { // as in what was written from a table
			base.PodUID = ref.Namespace + "/" + ref.Name
		}
		ends := told.ends(pod, base)
		if len(ends) == 0 && evidence.Troubled(pod, s.Taken) {
			d := base
			d.Kind, d.Of, d.Reason, d.Verdict = history.Stuck, ref, pod.Status.Reason, told.verdict(ref, workload)
			ends = append(ends, d)
		}
		to := &others
		if len(asked) == 0 || slices.ContainsFunc(asked, func(of evidence.Ref) bool { return of.Object() == ref }) {
			to = &own
		}
		for _, d := range ends {
			*to = append(*to, unsettled{Death: d})
		}
	}
	own = append(own, r.complaintsIn(told)...)
	for _, list := range [][]unsettled{own, others} {
		for i := range list {
			list[i].Verdict.Settled = true
		}
	}
	return own, others
}

func (r *Recorder) replayEvents(ctx context.Context, recorded []*corev1.Event) error {
	events := make([]history.Event, len(recorded))
	for i, e := range recorded {
		events[i] = history.Event{Cluster: r.Cluster, ID: string(e.UID), Event: evidence.EventOf(e)}
		if events[i].ID == "" {
			events[i].ID = e.Namespace + "/" + e.Name
		}
	}
	if err := r.Store.Events(ctx, events...); err != nil {
		return fmt.Errorf("keep the Events: %w", err)
	}
	return nil
}

// ends returns the ends of a pod's runs that a snapshot tells of and that need explaining, each with what is told of it; base has what is
// the same of all.
func (t telling) ends(pod *evidence.Pod, base history.Death) (list []history.Death) {
	for _, a := range t.s.Attempts(evidence.RefOf(pod)) {
		if !a.Ended() || a.Expected != "" {
			continue
		}
		d := base
		d.Of, d.Image, d.Started, d.Finished = a.Of, imageOf(pod, a.Of.Container), a.Started, a.Finished
		d.ExitCode, d.Signal, d.Reason, d.Verdict = a.ExitCode, a.Signal, a.Reason, t.verdict(a.Of, base.Workload)
		list = append(list, d)
	}
	return list
}

// Ends returns the ends of runs that a snapshot tells of and that need explaining, as a history would have them, without report and
// bundle.
func Ends(s *evidence.Snapshot, rules []*diagnosis.Rule) (list []history.Death) {
	told := telling{s: s, report: diagnosis.Examine(s, rules)}
	for _, pod := range evidence.List[*evidence.Pod](s) {
		list = append(list, told.ends(pod, history.Death{PodUID: string(pod.UID), Workload: WorkloadOf(pod), Node: pod.Spec.NodeName})...)
	}
	return list
}

// complaintsIn returns the things of a recorded question that are in trouble which no pod's status shows.
func (r *Recorder) complaintsIn(told telling) []unsettled {
	var all []unsettled
	for _, of := range told.s.Asked {
		o := told.s.Object(of)
		owner, owned := told.s.Owner(of)
		if !complaining[of.Kind] || o == nil || owned && slices.Contains(told.s.Asked, owner) {
			continue
		}
		if a, found := told.unseen(of); found {
			d := history.Death{
				Cluster: r.Cluster, Kind: history.Stuck, PodUID: cmp.Or(string(o.GetUID()), of.String()), Of: of, Workload: of, Seen: told.s.Taken, Verdict: told.verdictOf(a),
			}
			all = append(all, unsettled{Death: d})
		}
	}
	return all
}
