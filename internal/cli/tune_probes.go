// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/advise/probe"
	"github.com/kubeinquest/inquest/internal/report"
)

// adviseProbes gives advice about the probes of each container that is asked about and that starts are known of.
func adviseProbes(_ context.Context, of sight) ([]report.Advice, error) {
	var subjects []probe.Subject
	for _, s := range of.seen {
		subjects = probe.Add(subjects, s)
	}
	var all []report.Advice
	for _, subject := range subjects {
		asked := slices.Contains(of.about, subject.About.Object()) && (of.container == "" || subject.Spec.Name == of.container)
		if asked {
			all = append(all, probeAdvice(probe.Advise(subject), of.seen[0].Taken, of.more()))
		}
	}
	return all, nil
}

// probeAdvice puts advice about probes into the form that is shown.
func probeAdvice(a probe.Advice, taken time.Time, more string) report.Advice {
	r := report.NewAdvice("probes", a.About, taken, a.Fix)
	t := a.Tally
	r.Rests = slices.Concat(r.Rests, []string{probe.Basis(t)}, probe.ByRevision(&a))
	r.Reasons = append(r.Reasons, a.Reasons...)
	for _, c := range a.Checks {
		r.Checks = append(r.Checks, report.AdviceCheck{Where: c.Field, Says: c.Says, Do: c.Do})
	}
	switch {
	case a.Enough != "":
		r.Verdict = a.Enough + more
	case a.Fix == nil:
		r.Verdict = "its probes do what they should, by " + report.Plural(t.Healthy, "recorded start")
	case a.Before.Ends > 0 && a.After.Ends == 0:
		r.Verdict = fmt.Sprintf("what is proposed lets all %d recorded starts live, of which the present probes may end %d", t.Healthy, a.Before.Ends)
	default:
		r.Verdict = "its probes should be others, by " + report.Plural(t.Healthy, "recorded start")
	}
	if a.Present != (probe.Probes{}) {
		after := &a.After
		if a.Fix == nil {
			after = nil
		}
		r.Figures = probeFigures(&a.Before, after, t.Healthy)
	}
	if a.Fix != nil {
		r.Fields = probe.Fields(a.Present, a.Proposed)
	}
	return r
}

func probeFigures(before, after *probe.Effect, starts int) []report.Figure {
	row := func(name string, of func(*probe.Effect) (*float64, string)) report.Figure {
		f := report.Figure{Name: name}
		f.Now, f.Shown[0] = of(before)
		if after != nil {
			f.Proposed, f.Shown[1] = of(after)
		}
		return f
	}
	list := []report.Figure{
		row("a start may take", func(e *probe.Effect) (*float64, string) { return inSeconds(e.Patience, "as long as it likes") }),
		row("until a start that hangs is ended", func(e *probe.Effect) (*float64, string) { return inSeconds(e.GivesUp, "never") }),
		row("until a hang is noticed", func(e *probe.Effect) (*float64, string) { return inSeconds(e.Notices, "never") }),
	}
	if starts > 0 {
		list = append(list, row(fmt.Sprintf("of %s that became healthy it may end", report.Plural(starts, "start")), func(e *probe.Effect) (*float64, string) {
			n := float64(e.Ends)
			return &n, fmt.Sprint(e.Ends)
		}))
	}
	return list
}

// inSeconds is a time in seconds, or none and a word where it is never reached.
func inSeconds(d time.Duration, never string) (*float64, string) {
	if d == probe.Never {
		return nil, never
	}
	n := d.Seconds()
	return &n, advise.Round(d)
}
