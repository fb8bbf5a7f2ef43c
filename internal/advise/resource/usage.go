// SPDX-License-Identifier: Apache-2.0

// Package resource is measured advice about requests and limits. Memory goes by the peaks of each attempt and by the sizes at which
// containers were killed, never by averages, and is never proposed below a peak that was seen; processors go by the
// decaying histogram that the Vertical Pod Autoscaler recommends by.
package resource

import (
	"cmp"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A Sample is one measurement: bytes of memory, or processors.
type Sample struct {
	At    time.Time
	Value float64
}

// A Series is what one run of a container used over time, oldest first.
type Series struct {
	Of      evidence.Ref
	Began   time.Time     // when the run did; zero where that is not known
	Over    time.Duration // until its time, that a sample is the highest of; 0 where each is of one moment
	Samples []Sample
}

// A Kill is an end for want of memory.
type Kill struct {
	Of    evidence.Ref
	At    time.Time
	Limit float64 // bytes, at which it was killed
	Lived time.Duration
}

// A Growth is by how much memory grew without a pause, in bytes, and over what time.
type Growth struct {
	By   float64
	Over time.Duration
}

// A Subject is one container of a workload with what is known of its use.
type Subject struct {
	advise.Container
	Memory, CPU []Series
	Runtime     Runtime       // by other evidence than its spec
	Settings    []string      // what the environment of a run tells its runtime, beside the manifest, as a node's agent knows it; record.NoSettings: nothing
	Peaks       []Sample      // of the memory of whole attempts, as the kernel counts them
	Watched     time.Duration // the longest attempt among these
	Kills       []Kill
	Spared      []string            // of ends that look like kills, why they tell nothing of its limit
	Grew        Growth              // of a run that was killed for memory, before that; the zero Growth where none is known
	Throttled   float64             // the greatest share of its periods in which its CPU limit held it back
	ProbeKills  int                 // attempts that a probe ended
	Replicas    int                 // that were seen, and have not ended
	Running     int                 // of these in the present snapshot, or as many as the workload wants, where not all of them were read
	Inits       []corev1.Container  // the init containers of its pods
	Overhead    corev1.ResourceList // of a pod, by its RuntimeClass
	Within      Namespace
	Priority    int32                                    // of its pods
	Scalers     []*autoscalingv2.HorizontalPodAutoscaler // that are there for it
	Unscaled    string                                   // why it is not known which; "" where nothing tells so
	Alone       string                                   // why its replicas cannot run apart; "" where nothing is known that hinders them
	Surge       int                                      // pods that an update starts before any other ends
	CPUBound    string                                   // why it cannot be without a CPU limit; "" where nothing is known that has it have one
}

// Read returns the containers that a snapshot knows the use of, or that were killed for memory, in order.
func Read(s *evidence.Snapshot) []Subject {
	var list []Subject
	for _, pod := range evidence.List[*corev1.Pod](s) {
		for _, name := range lasting(&pod.Spec) {
			c := advise.ContainerOf(s, pod, name)
			at := slices.IndexFunc(list, func(o Subject) bool { return o.About == c.About })
			if at < 0 {
				at, list = len(list), append(list, Subject{Container: c})
			}
			list[at].take(s, pod, name)
			if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed { // which no quota counts
				list[at].Replicas++
			}
			list[at].CPUBound, list[at].Inits, list[at].Overhead = cpuBound(s, pod.Namespace), initsOf(s, pod), pod.Spec.Overhead
			if pod.Spec.Priority != nil {
				list[at].Priority = *pod.Spec.Priority
			}
		}
	}
	for i := range list {
		o := &list[i]
		top := s.Object(o.About.Object())
		o.Running, o.Replicas = max(o.Replicas, wanted(top)), max(o.Replicas, atOnce(s, o.About.Object()))
		o.Scalers, o.Unscaled = scalersOf(s, o.About.Object()), unscaled(s, o.About.Namespace)
		o.Alone = alone(s, o.About.Namespace, &o.Pod)
		o.Within, o.Surge = namespaceOf(s, o.About.Namespace), surge(top)
	}
	slices.SortFunc(list, func(a, b Subject) int { return a.About.Compare(b.About) })
	return list
}

// lasting are the containers of a pod that run for as long as it does: its own, and the sidecars among its init containers.
func lasting(pod *corev1.PodSpec) (names []string) {
	for i := range pod.Containers {
		names = append(names, pod.Containers[i].Name)
	}
	for i := range pod.InitContainers {
		if name := pod.InitContainers[i].Name; sidecar(pod.InitContainers, name) {
			names = append(names, name)
		}
	}
	return names
}

// sidecar tells whether the container of that name is an init container that runs on (KEP-753).
func sidecar(inits []corev1.Container, name string) bool {
	return slices.ContainsFunc(inits, func(c corev1.Container) bool {
		return c.Name == name && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
}

// initsOf are the init containers of a pod, as the template of its workload has them.
func initsOf(s *evidence.Snapshot, pod *corev1.Pod) (list []corev1.Container) {
	for i := range pod.Spec.InitContainers {
		list = append(list, advise.ContainerOf(s, pod, pod.Spec.InitContainers[i].Name).Spec)
	}
	return list
}

// Add adds what another snapshot, as one of the history, tells of the same containers.
func Add(list []Subject, s *evidence.Snapshot) []Subject {
	for _, more := range Read(s) {
		i := slices.IndexFunc(list, func(o Subject) bool { return o.About == more.About })
		if i < 0 {
			list = append(list, more)
			continue
		}
		o := &list[i]
		o.Memory, o.CPU = join(o.Memory, more.Memory), join(o.CPU, more.CPU)
		o.Peaks = append(o.Peaks, more.Peaks...)
		for _, k := range more.Kills {
			if !slices.ContainsFunc(o.Kills, func(l Kill) bool { return l.Of == k.Of && l.At.Equal(k.At) }) {
				o.Kills = append(o.Kills, k)
			}
		}
		for _, text := range more.Spared {
			if !slices.Contains(o.Spared, text) {
				o.Spared = append(o.Spared, text)
			}
		}
		o.Throttled, o.ProbeKills, o.Replicas = max(o.Throttled, more.Throttled), max(o.ProbeKills, more.ProbeKills), max(o.Replicas, more.Replicas)
		o.CPUBound, o.Runtime, o.Watched = cmp.Or(o.CPUBound, more.CPUBound), o.Runtime.Or(more.Runtime), max(o.Watched, more.Watched)
		if len(o.Settings) == 0 {
			o.Settings = more.Settings
		}
		if more.Grew.Over > o.Grew.Over {
			o.Grew = more.Grew
		}
	}
	slices.SortFunc(list, func(a, b Subject) int { return a.About.Compare(b.About) })
	return list
}

// join adds series to others: what two tell of the same run is one.
func join(list, more []Series) []Series {
	for _, m := range more {
		i := slices.IndexFunc(list, func(o Series) bool { return o.Of == m.Of && o.Began.Equal(m.Began) })
		if i < 0 {
			list = append(list, m)
			continue
		}
		list[i].Samples = append(slices.Clone(list[i].Samples), m.Samples...)
		slices.SortStableFunc(list[i].Samples, func(a, b Sample) int { return a.At.Compare(b.At) })
		list[i].Samples = slices.CompactFunc(list[i].Samples, func(a, b Sample) bool { return a.At.Equal(b.At) })
	}
	return list
}

// AddSeries adds what another source of measurements, as Prometheus, tells.
func (o *Subject) AddSeries(memory, cpu []Series) {
	o.Memory, o.CPU = join(o.Memory, memory), join(o.CPU, cpu)
}

// Split parts a series of a container at its restarts, where nothing else tells of them: memory falls to less than half. One that begins after
// all that was asked for did began with its first sample; that it falls when its start is over is no restart.
func Split(s Series, asked time.Time) (list []Series) {
	part := Series{Of: s.Of.InAttempt(0), Over: s.Over}
	for i, m := range s.Samples {
		fell := i > 0 && m.Value < s.Samples[i-1].Value/2 && m.At.Sub(part.Began) > 2*starting
		switch {
		case i == 0 && m.At.Sub(asked) > 2*starting:
			part.Began = m.At
		case fell:
			list = append(list, part)
			part = Series{Of: s.Of.InAttempt(len(list)), Over: s.Over}
		}
		part.Samples = append(part.Samples, m)
	}
	return append(list, part)
}

// take reads what is known of a container of a pod.
func (o *Subject) take(s *evidence.Snapshot, pod *corev1.Pod, name string) {
	of := evidence.RefOf(pod).InContainer(name)
	for _, run := range s.Attempts(of) {
		if order, ordered := s.OrderFor(run); ordered && (order.By == evidence.ByLiveness || order.By == evidence.ByStartup) {
			o.ProbeKills++
		}
		switch {
		case run.Reason != "OOMKilled":
		case ofItsNode(s, run.Of):
			o.Spared = []string{"its node had no memory left, by its kernel"}
		default:
			o.Kills = append(o.Kills, Kill{Of: run.Of, At: run.Finished, Limit: limitOf(pod, name), Lived: run.Finished.Sub(run.Started)})
		}
	}
	o.grew(s, of)
	for _, f := range s.FactsOn(of, func(f *evidence.Fact) bool {
		return f.Kind == evidence.Usage && f.About.InAttempt(evidence.NoAttempt) == of
	}) {
		o.fact(f, beganAs(s, f.About))
	}
	o.Runtime = o.Runtime.Or(runtimeOf(s, of))
	o.Settings = settingsOf(s, pod, of)
	if m, ok := evidence.Get[*metricsv1.PodMetrics](s, pod.Namespace, pod.Name); ok {
		o.metrics(m, of, beganAs(s, of))
	}
}

// ofItsNode tells whether the kernel says of the end of a run that its node as a whole had no memory left.
func ofItsNode(s *evidence.Snapshot, run evidence.Ref) bool {
	return len(s.FactsOn(run, func(f *evidence.Fact) bool {
		return f.Name == "oom-kill" && f.About == run && strings.Contains(f.Text, "constraint=CONSTRAINT_NONE")
	})) > 0
}

// Spare leaves out the kills that were not for a limit of the container's own, with the reason.
func (o *Subject) Spare(why map[evidence.Ref]string) {
	o.Kills = slices.DeleteFunc(slices.Clone(o.Kills), func(k Kill) bool {
		text, is := why[k.Of]
		if is && !slices.Contains(o.Spared, text) {
			o.Spared = append(o.Spared, text)
		}
		return is
	})
}

// steadily is for how long a leak grows at least: what is faster may be one piece of work.
const steadily = 2 * time.Minute

// grew reads how the memory of runs that were killed for want of it had grown, as the agent of their node saw.
func (o *Subject) grew(s *evidence.Snapshot, of evidence.Ref) {
	for _, f := range s.FactsOn(of, func(f *evidence.Fact) bool { return f.Name == "began.memory" }) {
		i := slices.IndexFunc(o.Kills, func(k Kill) bool { return k.Of == f.About })
		if i < 0 {
			continue
		}
		if over := o.Kills[i].At.Sub(f.At); over >= steadily && over > o.Grew.Over {
			o.Grew = Growth{f.Value, over}
		}
	}
}

// metrics takes what the metrics API says of a container that began then.
func (o *Subject) metrics(m *metricsv1.PodMetrics, of evidence.Ref, began time.Time) {
	for i := range m.Containers {
		if c := &m.Containers[i]; c.Name == of.Container {
			o.AddSeries(now(m, c.Usage.Memory(), of, began), now(m, c.Usage.Cpu(), of, began))
		}
	}
}

// AddMetrics adds what the metrics API said of pods of a snapshot after that was taken.
func AddMetrics(list []Subject, s *evidence.Snapshot, later []*metricsv1.PodMetrics) {
	for _, m := range later {
		pod := evidence.RefTo("Pod", m.Namespace, m.Name)
		for i := range list {
			if o := &list[i]; s.Knows(pod) && s.TopOwner(pod) == o.About.Object() {
				o.metrics(m, pod.InContainer(o.Spec.Name), beganAs(s, pod.InContainer(o.Spec.Name)))
			}
		}
	}
}

// beganAs is when a run of a container began, or the one that goes on where none is meant.
func beganAs(s *evidence.Snapshot, of evidence.Ref) time.Time {
	for _, run := range s.Attempts(of) {
		if run.Of == of || of.Attempt == evidence.NoAttempt && !run.Ended() {
			return run.Started
		}
	}
	return time.Time{}
}

// now is what the metrics API says of a container, as a series.
func now(m *metricsv1.PodMetrics, q *resource.Quantity, of evidence.Ref, began time.Time) []Series {
	return []Series{{Of: of, Began: began, Samples: []Sample{{m.Timestamp.Time, q.AsApproximateFloat64()}}}}
}

// fact takes what a node's agent or a kubelet says of a run. Its curves are in KiB and thousandths of a processor.
func (o *Subject) fact(f evidence.Fact, began time.Time) {
	curve := func(unit float64) []Series {
		series := Series{Of: f.About, Began: began}
		for _, step := range record.ReadCourse(f.At, f.Text) {
			series.Samples = append(series.Samples, Sample{step.At, step.Value * unit})
		}
		return []Series{series}
	}
	one := []Series{{Of: f.About, Began: began, Samples: []Sample{{f.At, f.Value}}}}
	switch f.Name {
	case "course.memory":
		o.AddSeries(curve(1024), nil)
	case "course.cpu":
		o.AddSeries(nil, curve(0.001))
	case "usage.memory":
		o.AddSeries(one, nil)
	case "usage.cpu":
		o.AddSeries(nil, one)
	case "memory.peak":
		o.Peaks = append(o.Peaks, Sample{f.At, f.Value})
		if !began.IsZero() && strings.HasPrefix(f.Text, "memory.peak") { // else it is the highest of samples
			o.Watched = max(o.Watched, f.At.Sub(began))
		}
	case "cpu.throttled":
		o.Throttled = max(o.Throttled, f.Value)
	}
}

// cpuBound says what in a namespace has each container have a CPU limit: a quota on limits takes no pod without one, and a LimitRange gives it
// one.
func cpuBound(s *evidence.Snapshot, namespace string) string {
	for _, q := range evidence.List[*corev1.ResourceQuota](s) {
		if _, ok := q.Spec.Hard[corev1.ResourceLimitsCPU]; ok && q.Namespace == namespace {
			return "resourcequota/" + q.Name + " bounds limits.cpu, and takes no pod without a CPU limit"
		}
	}
	for _, r := range evidence.List[*corev1.LimitRange](s) {
		for _, item := range r.Spec.Limits {
			_, given := item.Default[corev1.ResourceCPU]
			_, most := item.Max[corev1.ResourceCPU]
			if r.Namespace == namespace && item.Type == corev1.LimitTypeContainer && (given || most) {
				return "limitrange/" + r.Name + " gives one to each container that has none"
			}
		}
	}
	return ""
}

// limitOf is the memory limit of a container, in bytes; 0 without one.
func limitOf(pod *corev1.Pod, name string) float64 {
	if c := evidence.ContainerSpec(pod, name); c != nil {
		return c.Resources.Limits.Memory().AsApproximateFloat64()
	}
	return 0
}

// all are the samples of series in order of time.
func all(list []Series) []Sample {
	var samples []Sample
	for _, s := range list {
		samples = append(samples, s.Samples...)
	}
	slices.SortStableFunc(samples, func(a, b Sample) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Value, b.Value)) })
	return samples
}

// span is the time between the first and the last of samples.
func span(samples []Sample) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	return samples[len(samples)-1].At.Sub(samples[0].At)
}
