// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// mostBefore is how many ends of a pod are judged anew by what is told of its next.
const mostBefore = 20

// reconsider judges anew what ended a moment before in the containers of a pod, and in the same way as what was captured now and is put down
// to something else: of a first end less may be known than of the next, as that what it calls has no pods any more. What it finds less of
// than was known stands.
func (r *Recorder) reconsider(ctx context.Context, at subject, s *evidence.Snapshot, deaths []unsettled) error {
	if at.ref.Kind != "Pod" || !slices.ContainsFunc(deaths, func(d unsettled) bool { return d.Kind == history.Died && d.Verdict.Rule != "" }) {
		return nil
	}
	before, err := r.before(ctx, at, s, deaths)
	if err != nil || len(before) == 0 {
		return err
	}
	whole := withRuns(s, before)
	r.think.Lock()
	told := telling{s: whole, report: diagnosis.Examine(whole, r.Rules)}
	r.think.Unlock()
	var revised []unsettled
	for _, d := range before {
		a := told.answerAlike(d.run.Of, d.Workload)
		is := func(n unsettled) bool {
			return likeEnds(&d, &n) && n.Verdict.Rule == a.rule && n.Verdict.Thing == a.thing
		}
		if slices.ContainsFunc(deaths, is) && told.saysMore(a, &d) {
			d.Verdict = &history.Verdict{
				Rule: a.rule, Confidence: a.confidence, Message: a.message, Names: named(told.s, a.message), Thing: a.thing,
				Settled: true, Revised: true, Version: r.Version,
			}
			revised = append(revised, d)
		}
	}
	return r.record(ctx, revised)
}

// before returns what ended before in the same way as what was captured, is settled as something else, and whose runs are known still.
func (r *Recorder) before(ctx context.Context, at subject, s *evidence.Snapshot, deaths []unsettled) ([]unsettled, error) {
	var page history.Deaths
	err := r.insist(ctx, "read what died before in a pod", func() (err error) {
		page, err = r.Store.Deaths(ctx, history.Filter{Cluster: r.Cluster, Pod: string(at.uid), From: r.Now().Add(-again), Limit: mostBefore})
		return err
	})
	var all []unsettled
	for _, found := range page.Items {
		d := unsettled{Death: found, run: runOf(found)}
		isKnown := func(a evidence.Attempt) bool {
			return a.Of == d.run.Of && a.Finished.Truncate(time.Second).Equal(d.Finished)
		}
		if d.Verdict == nil || !d.Verdict.Settled || !slices.ContainsFunc(s.Attempts(d.Of.Object()), isKnown) {
			continue
		}
		if slices.ContainsFunc(deaths, func(n unsettled) bool {
			return likeEnds(&d, &n) && n.Verdict.Rule != "" && n.Verdict.Rule != d.Verdict.Rule
		}) {
			all = append(all, d)
		}
	}
	return all, err
}

// likeEnds tells whether two runs of a container ended in the same way, as far as the status tells.
func likeEnds(a, b *unsettled) bool {
	return a.Kind == history.Died && b.Kind == history.Died && a.Of.Container == b.Of.Container && a.Of.Attempt != b.Of.Attempt &&
		a.ExitCode == b.ExitCode && a.Reason == b.Reason
}

// saysMore tells whether an answer says more than what is on record of a death: that is a guess, and this is none, or that follows from this.
func (t telling) saysMore(a answer, d *unsettled) bool {
	possible := diagnosis.Possible.String()
	if d.Verdict.Rule == "" || d.Verdict.Confidence == possible && a.confidence != possible {
		return a.rule != ""
	}
	return slices.ContainsFunc(t.report.Causes, func(c diagnosis.Cause) bool {
		return c.Rule.ID == a.rule && leadsTo(&c, d.Verdict.Rule, d.run.Of)
	})
}
