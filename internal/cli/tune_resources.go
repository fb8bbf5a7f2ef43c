// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/advise/resource"
	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

func (p *program) tuneResources() *cobra.Command {
	prometheus := collect.Prometheus{}
	cmd := p.tuning(&cobra.Command{
		Use:   "resources [TYPE/NAME | TYPE NAME | NAME ...]",
		Short: "Say what requests and limits should be",
		Long: `Say what requests and limits should be, by what was used: memory by the peaks of
each run and the limits at which it was killed, processors by the decaying
histogram of the Vertical Pod Autoscaler. Memory that grows without end gets no
more. Without --prometheus, what the metrics API and node agents tell counts.`,
		Example: p.examples(`  %[1]s tune resources deploy/web -n shop
  %[1]s tune resources deploy/web -n shop --prometheus http://localhost:9090
  %[1]s tune resources --from case.zip -o yaml`),
	}, true, func(ctx context.Context, of sight) ([]report.Advice, error) {
		return adviseResources(ctx, of, prometheus)
	})
	bindPrometheus(cmd.Flags(), &prometheus, "the address of a Prometheus that has the containers' metrics")
	return cmd
}

// adviseResources gives advice about the resources of each container that is asked about, and about a namespace that was looked at
// as a whole.
func adviseResources(ctx context.Context, of sight, prometheus collect.Prometheus) ([]report.Advice, error) {
	if err := longEnough(prometheus); err != nil {
		return nil, err
	}
	var subjects []resource.Subject
	for _, s := range of.seen {
		subjects = resource.Add(subjects, s)
	}
	var shown []report.Advice
	within := map[string][]resource.Advice{}
	for _, subject := range subjects {
		if !slices.Contains(of.about, subject.About.Object()) || of.container != "" && subject.Spec.Name != of.container {
			continue
		}
		if prometheus.URL != "" {
			memory, cpu, err := prometheus.Usage(ctx, subject.About.Object(), subject.Spec.Name, of.seen[0].Taken)
			if err != nil {
				return nil, err
			}
			for _, whole := range series(memory) {
				subject.AddSeries(resource.Split(whole), nil)
			}
			subject.AddSeries(nil, series(cpu))
		}
		a := resource.Advise(subject)
		within[subject.About.Namespace] = append(within[subject.About.Namespace], a)
		more := ""
		if prometheus.URL == "" {
			more = "; a Prometheus has more as a rule: name it with --prometheus"
		}
		shown = append(shown, resourceAdvice(&a, of.seen[0].Taken, more))
	}
	if namespace := of.seen[0].Subject; namespace.Kind == "Namespace" && of.container == "" {
		all := slices.Concat(within[namespace.Name], resource.Waiting(of.seen[0], namespace.Name, subjects))
		shown = append(shown, boundsAdvice(namespace, all, of.seen[0])...)
	}
	return shown, nil
}

func series(list []collect.Measured) (all []resource.Series) {
	for _, m := range list {
		s := resource.Series{Of: m.Of}
		for _, step := range m.Steps {
			s.Samples = append(s.Samples, resource.Sample{At: step.At, Value: step.Value})
		}
		all = append(all, s)
	}
	return all
}

// resourceAdvice puts advice about resources into the form that is shown.
func resourceAdvice(a *resource.Advice, taken time.Time, more string) report.Advice {
	r := report.NewAdvice("resources", a.About, taken, a.Fix)
	basis := fmt.Sprintf("it rests on %s of its memory over %s", report.Plural(a.Samples, "sample"), advise.Round(a.Over))
	if a.Kills > 0 {
		basis += fmt.Sprintf(", and %s for want of memory", report.Plural(a.Kills, "end"))
	}
	r.Rests, r.Reasons, r.Fields = append(r.Rests, basis), append(r.Reasons, a.Reasons...), a.Fields
	if a.Against != "" {
		r.Rests = append(r.Rests, a.Against)
	}
	for _, c := range slices.Concat(a.Refusals, a.Checks) {
		r.Checks = append(r.Checks, report.AdviceCheck{Where: c.Where, Says: c.Says, Do: c.Do})
	}
	switch {
	case a.Enough != "":
		r.Verdict = a.Enough + more
	case a.Memory == resource.Leak:
		r.Verdict = "its memory grows without end, a leak: a higher limit would not help"
	case a.Memory == resource.Growing:
		r.Verdict = "its memory grew all the time that was looked at: unless that is the rise of a day it is a leak, so it gets no more memory"
	case a.Fix == nil:
		r.Verdict = "its requests and limits are what they should be"
	case len(a.Refusals) > 0:
		r.Verdict = "its requests and limits should be others, which its namespace would refuse as it is"
	default:
		r.Verdict = "its requests and limits should be others"
	}
	amount := func(name string, now, then float64, text func(float64) string) {
		f := report.Figure{Name: name}
		f.Now, f.Shown[0] = bound(now, text)
		if a.Fix != nil {
			f.Proposed, f.Shown[1] = bound(then, text)
		}
		r.Figures = append(r.Figures, f)
	}
	amount("memory request", a.Now.RequestMemory, a.Proposed.RequestMemory, resource.Bytes)
	amount("memory limit", a.Now.LimitMemory, a.Proposed.LimitMemory, resource.Bytes)
	amount("CPU request", a.Now.RequestCPU, a.Proposed.RequestCPU, resource.Cores)
	amount("CPU limit", a.Now.LimitCPU, a.Proposed.LimitCPU, resource.Cores)
	if a.Peak > 0 {
		peak := a.Peak
		r.Figures = append(r.Figures, report.Figure{Name: "highest use of memory (" + string(a.Memory) + ")", Now: &peak, Shown: [2]string{resource.Bytes(peak)}})
	}
	return r
}

// bound is an amount, or that there is none.
func bound(n float64, text func(float64) string) (*float64, string) {
	if n == 0 {
		return nil, "none"
	}
	return &n, text(n)
}

// boundsAdvice proposes a LimitRange and a ResourceQuota for a namespace.
func boundsAdvice(namespace evidence.Ref, all []resource.Advice, s *evidence.Snapshot) (list []report.Advice) {
	taken := s.Taken
	limits, quota, why := resource.Bounds(namespace.Name, all)
	if i := slices.IndexFunc(s.Gaps, func(g evidence.Gap) bool {
		return g.About == namespace && g.Kind&(evidence.Status|evidence.Changes) != 0
	}); i >= 0 {
		why = "not all that requests something there could be read: " + s.Gaps[i].Why
	}
	if why != "" {
		a := report.NewAdvice("resources", namespace, taken, nil)
		a.Verdict = "no LimitRange and no ResourceQuota are proposed: " + why
		return append(list, a)
	}
	for _, b := range []struct {
		kind, verdict string
		manifest      map[string]any
	}{
		{"LimitRange", "what a container gets that sets nothing, and what one may have at most, by the containers that are there", limits},
		{"ResourceQuota", "what all may request together, by what they need and a quarter more for updates", quota},
	} {
		if b.manifest == nil {
			continue
		}
		a := report.NewAdvice("resources", namespace, taken, &diagnosis.Fix{Title: "Create a " + b.kind + " in namespace " + namespace.Name, Risk: diagnosis.Advice})
		a.Verdict, a.Fields = b.verdict, b.manifest
		list = append(list, a)
	}
	return list
}
