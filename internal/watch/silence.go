// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

const (
	// unheard is how long after the second in which a run ended no word of a signal means that there was none: the rules wait for four of
	// them (internal/rules/exit), from the moment that the runtime tells.
	unheard = 5 * time.Second
	// swift is how long a word that came after a capture may wait to be read by the next.
	swift = 3 * time.Second / 2
	// mostListens is how often a death is captured for the word of a signal, and mostRecalls for that of an agent that could not be asked:
	// the pauses between these double from unheard on, and add up to ten minutes, longer than an agent that crashes waits to be started.
	mostListens, mostRecalls = 4, 8
)

// listens returns when a capture of a death may tell more of it than the last one did, where it ended with the exit code of a signal and
// nothing certain says why; the zero time for never. Where the agent of its node traces signals, a word of one is certain at once, and
// its silence proves something later. An agent that could not be asked has kept its word until it can.
func (d *unsettled) listens(s *evidence.Snapshot, a answer) (until time.Time) {
	const shift, last = 128, 64 // exit codes of signals (bash(1), EXIT STATUS), the last of which is SIGRTMAX
	if d.Kind != history.Died || d.ExitCode <= shift || d.ExitCode > shift+last || a.confidence == diagnosis.Certain.String() {
		return until
	}
	if deaf(s, d.Node) {
		if d.looks < mostRecalls {
			until = s.Taken.Add(unheard << (d.looks - 1))
		}
		return until
	}
	traced := s.Lacks(evidence.Signals, d.run.Of.Object()) == 0
	if d.ExitCode != 137 && d.ExitCode != 143 || !traced || d.looks >= mostListens {
		return until
	}
	if known := d.Finished.Add(unheard); s.Taken.Before(known) {
		wait := swift
		if d.looks == mostListens-1 { // the last is for the silence
			wait = unheard
		}
		until = s.Taken.Add(min(known.Sub(s.Taken), wait))
	}
	return until
}

// sooner returns the earlier of two times that are not zero.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// deaf tells whether there is an agent on a node and it could not be asked. One that told only a part says of what (evidence.Signals too).
func deaf(s *evidence.Snapshot, node string) bool {
	return slices.ContainsFunc(s.Gaps, func(g evidence.Gap) bool {
		return g.Kind == evidence.Host && g.About == evidence.RefTo("Node", "", node) && g.Why != collect.NoAgent
	})
}

// listen gives the history what is told of deaths so far, and has those that it does not settle captured once more.
func (r *Recorder) listen(ctx context.Context, at subject, s *evidence.Snapshot, like likeness, is judgement) error {
	if len(is.deaths) > 0 && deaf(s, is.deaths[0].Node) { // in a storm nobody else waits for that agent
		r.crowd.learn(like, representativeOf(is.deaths), r.Now())
	} else {
		r.crowd.failed(like)
	}
	if err := errors.Join(r.record(ctx, is.deaths), r.reconsider(ctx, at, s, is.deaths)); err != nil {
		return err
	}
	again := &pending{deaths: is.open}
	for _, d := range is.deaths {
		if d.Verdict.Settled {
			continue
		}
		v := *d.Verdict
		v.Settled, v.Report, v.Bundle = true, nil, nil // these are on record
		d.Verdict, d.early = nil, &v
		again.deaths = append(again.deaths, d)
	}
	return r.look(ctx, at, again, max(is.until.Sub(r.Now()), 0))
}

// stand settles deaths of which there will be no other capture by what the first one proved, and returns the others.
func (r *Recorder) stand(ctx context.Context, deaths []unsettled) ([]unsettled, error) {
	var proven, others []unsettled
	for _, d := range deaths {
		if d.early == nil {
			others = append(others, d)
			continue
		}
		d.Verdict = d.early
		proven = append(proven, d)
	}
	return others, r.record(ctx, proven)
}
