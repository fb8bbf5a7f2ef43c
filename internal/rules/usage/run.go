// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Of a container's runs, which a node's agent tells of, the one that runs now says how it is, and the last that ended what
// it ended with, for a while.
const recently = time.Hour

// about tells whether a fact is about the pass's container as it is now: itself, or the run that has not ended.
func about(p *diagnosis.Pass, f evidence.Fact) bool {
	runs := p.Attempts()
	return f.About == p.About() || len(runs) > 0 && f.About == runs[len(runs)-1].Of && !runs[len(runs)-1].Ended()
}

// A trend is that something is so since a time, in one run.
type trend struct {
	evidence.Fact
	fail  evidence.Event // of a probe in that run, the first that is known
	fails bool
}

// trends are what the node's agent says of since when something has been so in the runs in question, without what began only
// after a probe had failed: that explains no failure.
func trends(p *diagnosis.Pass, name string) (list []trend, late bool) {
	runs := p.Attempts()
	for _, run := range runs[max(0, len(runs)-2):] {
		for _, f := range p.Facts(evidence.Usage, "began."+name) {
			if f.About != run.Of || run.Ended() && p.Now().Sub(run.Finished) > recently {
				continue
			}
			t := trend{Fact: f}
			if t.fail, t.fails = firstFailure(p, run); t.fails && !f.At.Before(failed(t.fail, run)) {
				late = true
				continue
			}
			list = append(list, t)
		}
	}
	return list, late
}

// firstFailure returns the Event of the probe that failed first in a run.
func firstFailure(p *diagnosis.Pass, run evidence.Attempt) (first evidence.Event, found bool) {
	for _, e := range p.Events("Unhealthy") {
		if e.Last.Before(run.Started.Truncate(time.Second)) || run.Ended() && e.First.After(run.Finished) {
			continue
		}
		if !found || failed(e, run).Before(failed(first, run)) {
			first, found = e, true
		}
	}
	return first, found
}

// failed is when a probe failed in a run, for the first time if that is known: an Event counts over runs.
func failed(e evidence.Event, run evidence.Attempt) time.Time {
	if e.First.Before(run.Started.Truncate(time.Second)) { // an Event has whole seconds, an agent's run more
		return e.Last
	}
	return e.First
}

// since says when it began, and by how much that was before a probe failed.
func (t *trend) since(runs []evidence.Attempt) string {
	said := " since " + t.At.UTC().Format(time.TimeOnly)
	if strings.Contains(t.Text, "at least since") {
		said = " since " + t.At.UTC().Format(time.TimeOnly) + " or longer"
	}
	i := slices.IndexFunc(runs, func(a evidence.Attempt) bool { return a.Of == t.About })
	if t.fails && i >= 0 {
		said += fmt.Sprintf(", %s before a probe failed", failed(t.fail, runs[i]).Sub(t.At).Round(time.Second))
	}
	return said
}

// cite adds a trend to a finding, which began with it.
func (t *trend) cite(p *diagnosis.Pass, f *diagnosis.Finding) {
	f.At, f.Facts, f.Message = t.At, append(f.Facts, t.Fact), f.Message+t.since(p.Attempts())
	if t.fails {
		f.Facts = append(f.Facts, t.fail.Fact())
	}
}
