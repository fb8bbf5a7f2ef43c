// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// unheard is how long after the second in which a run ended no word of a signal means that there was none: the rules wait for four of them
// (internal/rules/exit), from the moment that the runtime tells.
const unheard = 5 * time.Second

// listens returns when the silence of a trace says more of a death than its capture did: where the agent of its node traces signals and
// it ended with the exit code of one, and nothing certain says why; the zero time for never. A word of a signal is certain at once.
func (d *unsettled) listens(s *evidence.Snapshot, a answer) (until time.Time) {
	traced := s.Lacks(evidence.Signals, d.run.Of.Object()) == 0
	if d.early != nil || d.Kind != history.Died || d.ExitCode != 137 && d.ExitCode != 143 || !traced || a.confidence == diagnosis.Certain.String() {
		return until
	}
	if known := d.Finished.Add(unheard); s.Taken.Before(known) {
		until = known
	}
	return until
}

// listen has what was captured too early to be settled captured once more. It waits no longer than it would by one clock.
func (r *Recorder) listen(ctx context.Context, at subject, deaths []unsettled, until time.Time) error {
	again := &pending{}
	for _, d := range deaths {
		if d.Verdict.Settled {
			continue
		}
		v := *d.Verdict
		v.Settled, v.Report, v.Bundle = true, nil, nil // these are on record
		d.Verdict, d.early = nil, &v
		again.deaths = append(again.deaths, d)
	}
	return r.look(ctx, at, again, min(until.Sub(r.Now()), unheard))
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
