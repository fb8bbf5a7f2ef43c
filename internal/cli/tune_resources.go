// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/advise/resource"
	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

func (p *program) tuneResources() *cobra.Command {
	from := measuring{}
	cmd := p.tuning(&cobra.Command{
		Use:   "resources [TYPE/NAME | TYPE NAME | NAME ...]",
		Short: "Say what requests and limits should be",
		Long: `Say what requests and limits should be, by what was used: memory by the peaks of
each run and the limits at which it was killed, processors by the decaying
histogram of the Vertical Pod Autoscaler. Memory that grows without end gets no
more. Without --prometheus, what the metrics API and node agents tell counts:
the first is read for --sample, which is too short to tell what is needed at
other times; below an hour of record nothing gets less.`,
		Example: p.examples(`  %[1]s tune resources deploy/web -n shop
  %[1]s tune resources deploy/web -n shop --prometheus http://localhost:9090
  %[1]s tune resources --from case.zip -o yaml`),
	}, true, func(ctx context.Context, of sight) ([]report.Advice, error) {
		return p.adviseResources(ctx, of, from)
	})
	bindPrometheus(cmd.Flags(), &from.Prometheus, "the address of a Prometheus that has the containers' metrics")
	cmd.Flags().DurationVar(&from.sample, "sample", 30*time.Second, "how long to measure by the metrics API where there is no Prometheus; 0 for once")
	return cmd
}

// adviseResources gives advice about the resources of each container that is asked about, and about a namespace that was looked at
// as a whole.
func (p *program) adviseResources(ctx context.Context, of sight, from measuring) ([]report.Advice, error) {
	if err := from.Validate(); err != nil {
		return nil, err
	}
	var subjects []resource.Subject
	spared := map[evidence.Ref]string{}
	for _, s := range of.seen {
		subjects = resource.Add(subjects, s)
		maps.Copy(spared, p.notItsOwn(s))
	}
	from.until = of.seen[0].Taken
	if err := from.again(ctx, &of, subjects); err != nil {
		return nil, err
	}
	var shown []report.Advice
	within, scaled := map[string][]resource.Advice{}, map[evidence.Ref]bool{}
	for _, subject := range subjects {
		if !of.asks(&subject) {
			continue
		}
		subject.Spare(spared)
		rests, err := from.measure(ctx, &subject)
		if err != nil {
			return nil, err
		}
		a := resource.Advise(subject)
		within[subject.About.Namespace] = append(within[subject.About.Namespace], a)
		more := ""
		if from.URL == "" {
			more = "; a Prometheus has more as a rule: name it with --prometheus"
		}
		r := resourceAdvice(&a, of.seen[0].Taken, more)
		if a.Samples == 0 {
			rests = append(unmeasured(of.seen[0], subject.About.Object()), rests...)
		}
		r.Rests = append(r.Rests, rests...)
		if shown = append(shown, r); a.Autoscaler != nil && !scaled[a.About.Object()] {
			scaled[a.About.Object()] = true
			shown = append(shown, scalerAdvice(&a, of.seen[0].Taken, of.from != ""))
		}
	}
	if namespace := of.seen[0].Subject; namespace.Kind == "Namespace" && of.container == "" {
		all := slices.Concat(within[namespace.Name], resource.Waiting(of.seen[0], namespace.Name, subjects))
		shown = append(shown, boundsAdvice(namespace, all, of.seen[0])...)
	}
	return shown, nil
}

// unmeasured says why it is not known what a workload uses now; nothing where no gap says so.
func unmeasured(s *evidence.Snapshot, workload evidence.Ref) []string {
	i := slices.IndexFunc(s.Gaps, func(g evidence.Gap) bool {
		about := g.About == evidence.Cluster || g.About == evidence.RefTo("Namespace", "", workload.Namespace) || g.About.Kind == "Pod" && s.TopOwner(g.About.Object()) == workload
		return g.Kind == evidence.Usage && about
	})
	if i < 0 {
		return nil
	}
	return []string{"what it uses now was not read: " + s.Gaps[i].Why}
}

// asks tells whether a container is asked about.
func (s *sight) asks(of *resource.Subject) bool {
	return slices.Contains(s.about, of.About.Object()) && (s.container == "" || of.Spec.Name == s.container)
}

// A measuring asks a Prometheus, where one is named, about one container after the other, and else the metrics API for a while.
type measuring struct {
	collect.Prometheus
	sample time.Duration
	until  time.Time
	not    string // why the Prometheus is not asked any more; "" where it is
}

// longestSample is how long the metrics API may be asked: what takes longer to tell is for a Prometheus or an agent.
const longestSample = 10 * time.Minute

// Validate tells what is wrong with the flags.
func (p *measuring) Validate() error {
	if p.sample < 0 || p.sample > longestSample {
		return fmt.Errorf("--sample %s is not from 0 to %s: what takes longer to tell is for a Prometheus, or for node agents", p.sample, longestSample)
	}
	return longEnough(p.Prometheus)
}

// again measures by the metrics API for a while, where a cluster is asked that serves it, and a container in question has no longer record.
func (p *measuring) again(ctx context.Context, of *sight, subjects []resource.Subject) error {
	s := of.seen[0]
	var namespaces []string
	for _, m := range evidence.List[*metricsv1.PodMetrics](s) {
		short := slices.ContainsFunc(subjects, func(o resource.Subject) bool {
			return of.asks(&o) && o.Short() && s.TopOwner(evidence.RefTo("Pod", m.Namespace, m.Name)) == o.About.Object()
		})
		if short && !slices.Contains(namespaces, m.Namespace) {
			namespaces = append(namespaces, m.Namespace)
		}
	}
	if !of.live || p.URL != "" || p.sample == 0 || len(namespaces) == 0 {
		return nil
	}
	later, err := of.cluster.Measure(ctx, namespaces, p.sample)
	resource.AddMetrics(subjects, s, later)
	return err
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
	if p.not = unanswered(ctx, err, "this rests on what agents, kubelets and the metrics API tell"); p.not != "" {
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
	unread = p.runs(ctx, of)
	if len(used.Memory) == 0 {
		unread = append(unread, "the Prometheus has no container_memory_working_set_bytes of it: have it scrape the kubelets' /metrics/cadvisor, or look further back with --window")
	}
	if n := len(used.Left); n > 0 {
		unread = append(unread, fmt.Sprintf("of its pods within the window %d were not looked at, %s among them, and may have needed more: look back less far with --window", n, used.Left[0]))
	}
	if !used.Counted && !of.Spec.Resources.Limits.Cpu().IsZero() {
		unread = append(unread, "throttling not read: the Prometheus has no container_cpu_cfs_periods_total of it; have it scrape the kubelets' /metrics/cadvisor")
	}
	return unread, nil
}

// runs asks by which runtime a container runs. Where that has no answer the rest counts all the same.
func (p *measuring) runs(ctx context.Context, of *resource.Subject) (unread []string) {
	r, err := p.Runtime(ctx, of.About.Object(), of.Spec.Name, len(of.Pod.Containers)+len(of.Pod.InitContainers) == 1, p.until)
	if err != nil {
		return []string{"its runtime was not asked for: " + oneLine(err)}
	}
	if r.Name != "" {
		of.Runtime = resource.Runtime{Name: r.Name, Version: r.Version, By: "Prometheus (" + r.Metric + ")"}.Or(of.Runtime)
	}
	return nil
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
	basis := "it rests on " + a.Measured()
	if a.Watched > 0 {
		basis += fmt.Sprintf(", and the peaks that the kernel counted of runs of up to %s", advise.Round(a.Watched))
	}
	if a.Kills > 0 {
		basis += fmt.Sprintf(", and %s for want of memory", report.Plural(a.Kills, "end"))
	}
	r.Rests, r.Reasons, r.Fields = append(r.Rests, basis), append(r.Reasons, a.Reasons...), a.Fields
	if limits := (resource.Amounts{LimitMemory: a.Proposed.LimitMemory, LimitCPU: a.Proposed.LimitCPU}); limits != (resource.Amounts{}) {
		r.Rests = append(r.Rests, a.Runtime.Said())
	}
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
	r.Figures = resourceFigures(a)
	return r
}

// resourceFigures are what is set beside what is proposed, and the highest use.
func resourceFigures(a *resource.Advice) (list []report.Figure) {
	amount := func(name string, now, then float64, text func(float64) string) {
		f := report.Figure{Name: name}
		f.Now, f.Shown[0] = bound(now, text)
		if a.Fix != nil {
			f.Proposed, f.Shown[1] = bound(then, text)
		}
		list = append(list, f)
	}
	amount("memory request", a.Now.RequestMemory, a.Proposed.RequestMemory, resource.Bytes)
	amount("memory limit", a.Now.LimitMemory, a.Proposed.LimitMemory, resource.Bytes)
	amount("CPU request", a.Now.RequestCPU, a.Proposed.RequestCPU, resource.Cores)
	amount("CPU limit", a.Now.LimitCPU, a.Proposed.LimitCPU, resource.Cores)
	for i := range 2 { // the API server fills in a request by the limit
		request, limit := &list[2*i], &list[2*i+1]
		if request.Now == nil && limit.Now != nil {
			request.Shown[0] = "as its limit"
		}
		if request.Proposed == nil && limit.Proposed != nil {
			request.Shown[1] = "as its limit"
		}
	}
	if a.Peak > 0 {
		peak, name := a.Peak, "highest use of memory ("+string(a.Memory)+")"
		if a.Memory == resource.Unknown {
			name = "highest use of memory that is known"
		}
		list = append(list, report.Figure{Name: name, Now: &peak, Shown: [2]string{resource.Bytes(peak)}})
	}
	return list
}

// scalerAdvice proposes a HorizontalPodAutoscaler for a workload. Files need not have those that are there.
func scalerAdvice(a *resource.Advice, taken time.Time, files bool) report.Advice {
	about := a.About.Object()
	title := "Create a HorizontalPodAutoscaler for " + about.String()
	if files {
		title += ", unless one is there"
	}
	r := report.NewAdvice("resources", about, taken, &diagnosis.Fix{Title: title, Risk: diagnosis.Advice})
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
		return g.About == namespace && g.Kind&(evidence.Status|evidence.Changes) != 0 && !strings.Contains(g.Why, "horizontalpodautoscalers") // which request nothing
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
		{"ResourceQuota", "what all may request together, by what they need, those with an autoscaler at its maximum, and a quarter more for updates", quota},
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
