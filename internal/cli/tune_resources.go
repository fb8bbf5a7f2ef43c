// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
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
	within, asked := map[string][]resource.Advice{}, measuring{Prometheus: prometheus, until: of.seen[0].Taken}
	for _, subject := range subjects {
		if !slices.Contains(of.about, subject.About.Object()) || of.container != "" && subject.Spec.Name != of.container {
			continue
		}
		rests, err := asked.measure(ctx, &subject)
		if err != nil {
			return nil, err
		}
		a := resource.Advise(subject)
		within[subject.About.Namespace] = append(within[subject.About.Namespace], a)
		more := ""
		if prometheus.URL == "" {
			more = "; a Prometheus has more as a rule: name it with --prometheus"
		}
		r := resourceAdvice(&a, of.seen[0].Taken, more)
		r.Rests = append(r.Rests, rests...)
		if shown = append(shown, r); a.Autoscaler != nil {
			shown = append(shown, scalerAdvice(&a, of.seen[0].Taken))
		}
	}
	if namespace := of.seen[0].Subject; namespace.Kind == "Namespace" && of.container == "" {
		all := slices.Concat(within[namespace.Name], resource.Waiting(of.seen[0], namespace.Name, subjects))
		shown = append(shown, boundsAdvice(namespace, all, of.seen[0])...)
	}
	return shown, nil
}

// A measuring asks a Prometheus, where one is named, about one container after the other.
type measuring struct {
	collect.Prometheus
	until time.Time
	not   string // why it is not asked any more; "" where it is
}

// measure adds what the Prometheus knows of a container, and says what it does not. One that does not answer is asked no more.
func (p *measuring) measure(ctx context.Context, of *resource.Subject) (unread []string, err error) {
	switch {
	case p.URL == "":
		return nil, nil
	case p.not != "":
		return []string{p.not}, nil
	}
	used, err := p.Usage(ctx, of.About.Object(), of.Spec.Name, p.until)
	if _, is := errors.AsType[*collect.UnansweredError](err); is && ctx.Err() == nil {
		p.not = "Prometheus was not asked, so this rests on what agents, kubelets and the metrics API tell: " + oneLine(err) + "; see that it can be reached from here, and ask again"
		return []string{p.not}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, m := range used.Memory {
		run := []resource.Series{series(m)}
		if m.Began.IsZero() {
			run = resource.Split(run[0], p.until.Add(-p.Window))
		}
		of.AddSeries(run, nil)
	}
	for _, m := range used.CPU {
		of.AddSeries(nil, []resource.Series{series(m)})
	}
	of.Throttled = max(of.Throttled, used.Throttled)
	if len(used.Memory) == 0 {
		unread = append(unread, "the Prometheus has no container_memory_working_set_bytes of it: have it scrape the kubelets' /metrics/cadvisor, or look further back with --window")
	}
	if !used.Counted && !of.Spec.Resources.Limits.Cpu().IsZero() {
		unread = append(unread, "throttling not read: the Prometheus has no container_cpu_cfs_periods_total of it; have it scrape the kubelets' /metrics/cadvisor")
	}
	return unread, nil
}

func series(m collect.Measured) resource.Series {
	s := resource.Series{Of: m.Of, Began: m.Began, Over: m.Over}
	for _, step := range m.Steps {
		s.Samples = append(s.Samples, resource.Sample{At: step.At, Value: step.Value})
	}
	return s
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

// scalerAdvice proposes a HorizontalPodAutoscaler for a workload.
func scalerAdvice(a *resource.Advice, taken time.Time) report.Advice {
	about := a.About.Object()
	r := report.NewAdvice("resources", about, taken, &diagnosis.Fix{Title: "Create a HorizontalPodAutoscaler for " + about.String() + ", unless one is there", Risk: diagnosis.Advice})
	r.Verdict, r.Fields = "its load goes up and down, by the processors that "+a.About.Container+" uses: its replicas may follow it", a.Autoscaler
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
