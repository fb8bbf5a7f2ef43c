// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/advise/probe"
	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/report"
)

func (p *program) tuneProbes() *cobra.Command {
	prometheus := collect.Prometheus{}
	cmd := p.tuning(&cobra.Command{
		Use:   "probes [TYPE/NAME | TYPE NAME | NAME ...]",
		Short: "Say what startup, liveness and readiness probes should be",
		Long: `Say what startup, liveness and readiness probes should be, by how long starts
took that were recorded. A start may take one and a half times the longest of
the present revision; a hang is noticed within twice the time that the present
probe needs, or sooner. Each start is replayed against both, as a kubelet asks.
Below 5 starts no number is changed; a readiness probe that is missing is
proposed all the same, where something is known to ask. With --prometheus,
answers get one and a half times what the slowest and the longest pause took.`,
		Example: p.examples(`  %[1]s tune probes deploy/web -n shop
  %[1]s tune probes deploy/web -n shop --history prod.db
  %[1]s tune probes deploy/web -n shop --prometheus http://localhost:9090
  %[1]s tune probes --from case.zip -o yaml`),
	}, false, func(ctx context.Context, of sight) ([]report.Advice, error) {
		return adviseProbes(ctx, of, prometheus)
	})
	bindPrometheus(cmd.Flags(), &prometheus, "the address of a Prometheus that has the kubelets' metrics of probes and containers")
	return cmd
}

// bindPrometheus binds the flags that name a Prometheus.
func bindPrometheus(flags *pflag.FlagSet, prometheus *collect.Prometheus, usage string) {
	flags.StringVar(&prometheus.URL, "prometheus", "", usage)
	flags.DurationVar(&prometheus.Window, "window", 7*24*time.Hour, "how far to look back in it")
}

// longEnough tells what is wrong with how far a Prometheus is looked back in.
func longEnough(prometheus collect.Prometheus) error {
	if prometheus.URL != "" && prometheus.Window < time.Hour {
		return fmt.Errorf("--window %s is too short to tell anything: give at least 1h", prometheus.Window)
	}
	return nil
}

// unanswered says that a Prometheus does not answer now, and what follows from that; "" where that is not what an error is.
func unanswered(ctx context.Context, err error, follows string) string {
	if _, is := errors.AsType[*collect.UnansweredError](err); !is || ctx.Err() != nil {
		return ""
	}
	return "Prometheus was not asked, so " + follows + ": " + oneLine(err) + "; see that it can be reached from here, and ask again"
}

// adviseProbes gives advice about the probes of each container that is asked about and that starts are known of.
func adviseProbes(ctx context.Context, of sight, prometheus collect.Prometheus) ([]report.Advice, error) {
	if err := longEnough(prometheus); err != nil {
		return nil, err
	}
	var subjects []probe.Subject
	for _, s := range of.seen {
		subjects = probe.Add(subjects, s)
	}
	var all []report.Advice
	from := answering{Prometheus: prometheus, until: of.seen[0].Taken}
	for _, subject := range subjects {
		asked := slices.Contains(of.about, subject.About.Object()) && (of.container == "" || subject.Spec.Name == of.container)
		if !asked {
			continue
		}
		var err error
		if subject.Answers, err = from.ask(ctx, &subject); err != nil {
			return nil, err
		}
		subject.Looked = of.live
		all = append(all, probeAdvice(probe.Advise(subject), of.seen[0].Taken, of.more()))
	}
	return all, nil
}

// An answering asks a Prometheus, where one is named, how one container after the other answered its probes.
type answering struct {
	collect.Prometheus
	until time.Time
	not   string // why it is not asked any more; "" where it is
}

// ask reads how a container answered. A Prometheus that does not answer is asked no more, and the starts count all the same.
func (p *answering) ask(ctx context.Context, of *probe.Subject) (probe.Answers, error) {
	switch {
	case p.URL == "":
		return probe.Answers{Unread: []string{
			"probe latencies and pauses of a garbage collector not read: that takes a Prometheus that scrapes the kubelets; name it with --prometheus",
		}}, nil
	case p.not != "":
		return probe.Answers{Unread: []string{p.not}}, nil
	}
	read, err := p.Answers(ctx, of.About.Object(), of.Spec.Name, p.until)
	if p.not = unanswered(ctx, err, "probe latencies and pauses of a garbage collector are not known"); p.not != "" {
		return probe.Answers{Unread: []string{p.not}}, nil
	}
	if err != nil {
		return probe.Answers{}, err
	}
	a := probe.Answers{By: "Prometheus over " + advise.Round(p.Window), Slowest: map[string]probe.Slowest{}, Unread: read.Unread}
	for kind, s := range read.Slowest {
		a.Slowest[kind] = probe.Slowest{Within: ofSeconds(s.Within), Answered: s.Answered, Failed: s.Failed}
	}
	for _, p := range read.Pauses {
		a.Pauses = append(a.Pauses, probe.Pause{Lasts: ofSeconds(p.Lasts), By: p.By})
	}
	return a, nil
}

// ofSeconds is a time that a Prometheus tells of; Never where it is longer than any that can be.
func ofSeconds(n float64) time.Duration {
	if n*float64(time.Second) >= float64(probe.Never) {
		return probe.Never
	}
	return time.Duration(n * float64(time.Second))
}

// probeAdvice puts advice about probes into the form that is shown.
func probeAdvice(a probe.Advice, taken time.Time, more string) report.Advice {
	r := report.NewAdvice("probes", a.About, taken, a.Fix)
	t := a.Tally
	r.Rests = slices.Concat(r.Rests, []string{probe.Basis(t)}, probe.ByRevision(&a), probe.ByAnswers(&a))
	r.Reasons = append(r.Reasons, a.Reasons...)
	for _, c := range a.Checks {
		r.Checks = append(r.Checks, report.AdviceCheck{Where: c.Field, Says: c.Says, Do: c.Do})
	}
	switch {
	case a.More:
		r.Verdict = a.Enough + more
	case a.Enough != "":
		r.Verdict = a.Enough
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
			return inNumber(e.Ends)
		}))
	}
	if before.Early > 0 {
		list = append(list, row("of them it may be sent requests before it answers", func(e *probe.Effect) (*float64, string) { return inNumber(e.Early) }))
	}
	if before.Hangs > 0 {
		list = append(list, row("of "+report.Plural(before.Hangs, "hang")+" that nothing ended it lets go on", func(e *probe.Effect) (*float64, string) { return inNumber(e.Hangs) }))
	}
	return list
}

func inNumber(n int) (*float64, string) {
	number := float64(n)
	return &number, fmt.Sprint(n)
}

// inSeconds is a time in seconds, or none and a word where it is never reached.
func inSeconds(d time.Duration, never string) (*float64, string) {
	if d == probe.Never {
		return nil, never
	}
	n := d.Seconds()
	return &n, advise.Round(d)
}
