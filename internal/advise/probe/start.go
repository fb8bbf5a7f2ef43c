// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Start is one recorded attempt: how it began, and what probes made of it.
type Start struct {
	Of        evidence.Ref // the attempt
	Pod       string       // UID
	Revision  string       // of the pod template, as its controller names it, or by what its containers are
	Probes    Probes       // that it lived under
	Began     time.Time
	Lives     time.Duration     // since it began, when its startup or liveness probe was answered, at most; Never: that was not seen
	Ready     time.Duration     // and its readiness probe
	Lived     time.Duration     // until it was ordered to end, ended, or was last seen
	Ended     bool              //
	By        evidence.Orderer  // who ordered its end, "" where nobody did
	Pauses    []Span            // in which it failed its liveness probe after that and recovered, at most
	Silent    bool              // a try that failed had waited until its time-out
	Throttled float64           // the share of its periods in which its CPU limit held it back, where that was measured
	Hang      Span              // the time in which it answered nothing though it had before, and nothing ended it, as it has no liveness probe
	Codes     map[string]string // by the kubelet's word for a probe that failed: the HTTP status that it was answered with, the last
}

// measured tells whether it is known that it became healthy, and when.
func (s *Start) measured() bool { return s.Lives != Never }

// cut tells whether a probe ended it before it was healthy: nobody knows how long it would have needed.
func (s *Start) cut() bool {
	return s.Ended && !s.measured() && (s.By == evidence.ByStartup || s.By == evidence.ByLiveness)
}

// hung tells whether its liveness probe ended it after it had been healthy.
func (s *Start) hung() bool { return s.Ended && s.measured() && s.By == evidence.ByLiveness }

// course is how it answered. What nobody asked whether it was ready was as soon as it answered.
func (s *Start) course() Course {
	c := Course{Lives: s.Lives, Ready: max(s.Ready, s.Lives), Mute: s.Pauses, Silent: s.Silent}
	if s.Probes.Readiness == nil {
		c.Ready = s.Lives
	}
	return c
}

// A reading is what reads one attempt.
type reading struct {
	s   *evidence.Snapshot
	pod *corev1.Pod
	run evidence.Attempt
	Start
}

// startOf reads a run; false where it did not begin.
func startOf(s *evidence.Snapshot, pod *corev1.Pod, run evidence.Attempt) (Start, bool) {
	spec := evidence.ContainerSpec(pod, run.Of.Container)
	if run.Started.IsZero() || spec == nil {
		return Start{}, false
	}
	r := &reading{s: s, pod: pod, run: run, Start: Start{
		Of: run.Of, Pod: string(pod.UID), Probes: Of(spec), Began: run.Started, Lives: Never, Ready: Never, Ended: run.Ended(),
		Revision: revisionOf(pod), Lived: s.Taken.Sub(run.Started),
	}}
	r.end()
	r.ready()
	r.lives()
	r.pauses()
	r.hang()
	r.codes()
	for _, f := range s.FactsOn(run.Of, func(f *evidence.Fact) bool { return f.Name == "cpu.throttled" && f.About == run.Of }) {
		r.Throttled = max(r.Throttled, f.Value)
	}
	return r.Start, true
}

// end reads who ordered the end, and when.
func (r *reading) end() {
	if !r.Ended {
		return
	}
	r.Lived = r.run.Finished.Sub(r.Began)
	if order, ok := r.s.OrderFor(r.run); ok {
		r.By = order.By
		if !order.Inferred {
			r.Lived = order.Event.Last.Sub(r.Began)
		}
	}
}

// believable is how long after a start the pod may have become ready for the first time: behind that it has as a rule been ready
// before. A Deployment waits as long for progress (progressDeadlineSeconds, 600 s by default).
const believable = 10 * time.Minute

// ready reads from the pod's condition when the run was ready, which it then still is. The condition is that of all containers, and
// tells of the last time only.
func (r *reading) ready() {
	st := evidence.ContainerStatus(r.pod, r.Of.Container)
	if r.Ended || st == nil || !st.Ready || r.Probes.Readiness == nil && r.Probes.Startup == nil {
		return
	}
	for _, c := range r.pod.Status.Conditions {
		took := c.LastTransitionTime.Sub(r.Began)
		if c.Type == corev1.ContainersReady && c.Status == corev1.ConditionTrue && took >= 0 && (took <= believable || r.failedFrom("Readiness")) {
			r.Ready = took
		}
	}
}

// failedFrom tells whether a probe failed from the beginning of the run on.
func (r *reading) failedFrom(kind string) bool {
	q := r.Probes.of(kind)
	first, _, n := r.failures(kind)
	return q != nil && n > 0 && first <= seconds(q.InitialDelaySeconds)+2*seconds(q.PeriodSeconds)+seconds(q.TimeoutSeconds)
}

// of returns a probe by the kubelet's word for it.
func (p Probes) of(kind string) *corev1.Probe {
	return map[string]*corev1.Probe{"Startup": p.Startup, "Liveness": p.Liveness, "Readiness": p.Readiness}[kind]
}

// failures returns when a probe failed for the first and the last time in this run, as far as its Events tell, and how often at
// least. An Event that is told of again counts over runs, and knows its first and last time only.
func (r *reading) failures(kind string) (first, last time.Duration, n int) {
	until := r.Began.Add(r.Lived + time.Second)
	for _, e := range r.s.EventsAbout(r.Of.InAttempt(evidence.NoAttempt)) {
		if e.Reason != "Unhealthy" || !strings.HasPrefix(e.Message, kind+" probe failed") || e.Last.Before(r.Began) || e.First.After(until) {
			continue
		}
		from, to := e.First, e.Last
		if from.Before(r.Began) {
			from = r.Began
		}
		if to.After(until) { // it went on failing in the run after
			to = until
		}
		if n == 0 || from.Sub(r.Began) < first {
			first = from.Sub(r.Began)
		}
		last, n = max(last, to.Sub(r.Began)), n+e.Count
		r.Silent = r.Silent || silent(e.Message)
	}
	return first, last, n
}

// told tells whether Events of the run's beginning are there, so that none means that nothing failed: that it was started is one. Of
// pods that are well they are not always read.
func (r *reading) told() bool {
	return r.s.Taken.Sub(r.Began) < evidence.EventTTL && slices.ContainsFunc(r.s.EventsAbout(r.Of.InAttempt(evidence.NoAttempt)), func(e evidence.Event) bool {
		return e.Reason == "Started" && e.Last.Sub(r.Began).Abs() <= 2*time.Second
	})
}

// lives reads when the startup probe, or without one the liveness probe, was answered: a period after its last failure at the most, or
// by its first try where there was none; and at the latest when the container was ready.
func (r *reading) lives() {
	r.Lives = r.Ready
	kind := "Startup"
	if r.Probes.Startup == nil {
		kind = "Liveness"
	}
	q := r.Probes.of(kind)
	if q == nil || !r.answered(q) {
		return
	}
	if r.Ready != Never { // a run that has outlived the probe has answered it
		r.Lives = min(r.Ready, Probes{Liveness: q}.GivesUp())
	}
	_, last, n := r.failures(kind)
	tries := seconds(q.InitialDelaySeconds) + seconds(q.PeriodSeconds)
	switch {
	case n > 0 && (kind == "Startup" || r.failedFrom(kind) && last <= Probes{Liveness: q}.Patience()):
		r.Lives = min(r.Lives, last+seconds(q.PeriodSeconds))
	case r.told():
		r.Lives = min(r.Lives, tries)
	}
}

// answered tells whether the container is known to have answered that probe in this run.
func (r *reading) answered(q *corev1.Probe) bool {
	st := evidence.ContainerStatus(r.pod, r.Of.Container)
	startup := r.Probes.Startup != nil
	switch {
	case startup && r.Ended:
		return r.By == evidence.ByLiveness
	case startup:
		return st != nil && st.Started != nil && *st.Started
	case r.Ended:
		return r.By == evidence.ByLiveness && r.Lived > Probes{Liveness: q}.GivesUp()
	}
	return r.Ready != Never || r.Lived > Probes{Liveness: q}.GivesUp()
}

// pauses reads how long the container failed its liveness probe and recovered, which each time was less than the probe bears.
func (r *reading) pauses() {
	q := r.Probes.Liveness
	first, last, n := r.failures("Liveness")
	if q == nil || n == 0 || r.By == evidence.ByLiveness || !r.measured() || last <= r.Lives {
		return
	}
	period := seconds(q.PeriodSeconds)
	tries := int64(min(n, int(q.FailureThreshold)-1))
	from := min(max(first, last-times(tries-1, period), r.Lives), farthest/2)
	r.Pauses = append(r.Pauses, Span{from, from + min(times(tries+1, period), farthest/2)})
}

// merge keeps of what is known of one attempt what tells more.
func merge(a, b Start) Start {
	if b.Ended && !a.Ended || b.Lived > a.Lived && a.Ended == b.Ended {
		a, b = b, a
	}
	a.Lives, a.Ready = min(a.Lives, b.Lives), min(a.Ready, b.Ready)
	if len(b.Pauses) > len(a.Pauses) {
		a.Pauses = b.Pauses
	}
	if a.Codes == nil {
		a.Codes = b.Codes
	}
	a.Hang = cmp.Or(a.Hang, b.Hang)
	a.Silent, a.Throttled, a.By = a.Silent || b.Silent, max(a.Throttled, b.Throttled), cmp.Or(a.By, b.By)
	return a
}

// most is how many starts of a container are looked at, the latest.
const most = 1000

// A Subject is one container of a workload, with its starts.
type Subject struct {
	advise.Container
	Revision string  // that runs now, or is being rolled out
	Starts   []Start // oldest first, of all revisions
	Answers  Answers
	Served   []intstr.IntOrString // the target ports of the Services that lead to its pods, each once
	Led      bool                 // some Service does
	Looked   bool                 // for all Services; where it is not, others may be there
	Unserved string               // why not all of them are known all the same; "" where nothing tells so
}

// Read returns the containers that a snapshot knows starts of, in order. Init containers that end are not asked by probes.
func Read(s *evidence.Snapshot) []Subject {
	var list []Subject
	for _, pod := range evidence.List[*corev1.Pod](s) {
		ref := evidence.RefOf(pod)
		for _, run := range s.Attempts(ref) {
			start, ok := startOf(s, pod, run)
			if !ok || run.Init && !run.Sidecar {
				continue
			}
			top := s.TopOwner(ref)
			i := slices.IndexFunc(list, func(o Subject) bool { return o.About == top.InContainer(run.Of.Container) })
			if i < 0 {
				i, list = len(list), append(list, Subject{Container: advise.ContainerOf(s, pod, run.Of.Container), Revision: running(s, top), Led: len(services(s, pod)) > 0, Served: served(s, pod), Unserved: unserved(s, pod.Namespace)})
			}
			list[i].Starts = append(list[i].Starts, start)
		}
	}
	for i := range list {
		list[i].tidy()
	}
	slices.SortFunc(list, func(a, b Subject) int { return a.About.Compare(b.About) })
	return list
}

// services returns those that lead to a pod.
func services(s *evidence.Snapshot, pod *corev1.Pod) []*corev1.Service {
	return slices.DeleteFunc(evidence.List[*corev1.Service](s), func(service *corev1.Service) bool {
		selector := service.Spec.Selector
		return service.Namespace != pod.Namespace || len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels))
	})
}

// served returns the target ports of the Services that lead to a pod.
func served(s *evidence.Snapshot, pod *corev1.Pod) (list []intstr.IntOrString) {
	for _, service := range services(s, pod) {
		for _, p := range service.Spec.Ports {
			target := cmp.Or(p.TargetPort, intstr.FromInt32(p.Port))
			if cmp.Or(p.Protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP && !slices.Contains(list, target) {
				list = append(list, target)
			}
		}
	}
	return list
}

// unserved says why the Services of a namespace are not all known; "" where nothing tells so.
func unserved(s *evidence.Snapshot, namespace string) string {
	for _, g := range s.Gaps {
		if (g.About == evidence.Cluster || g.About == evidence.RefTo("Namespace", "", namespace)) && strings.Contains(g.Why, " services") {
			return g.Why
		}
	}
	return ""
}

// tidy puts the starts in order, each once.
func (o *Subject) tidy() {
	slices.SortStableFunc(o.Starts, func(a, b Start) int {
		return cmp.Or(a.Began.Truncate(time.Second).Compare(b.Began.Truncate(time.Second)), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Of.Attempt, b.Of.Attempt))
	})
	type key struct {
		pod string
		of  evidence.Ref
	}
	at := map[key]int{}
	var once []Start
	for _, s := range o.Starts {
		k := key{s.Pod, s.Of}
		if i, known := at[k]; known {
			once[i] = merge(once[i], s)
			continue
		}
		at[k], once = len(once), append(once, s)
	}
	o.Starts = once[max(0, len(once)-most):]
}

// Add adds the starts that another snapshot, as one of the history, tells of the same containers. Which revision runs now is known by the
// first that knows the container.
func Add(list []Subject, s *evidence.Snapshot) []Subject {
	for _, more := range Read(s) {
		i := slices.IndexFunc(list, func(o Subject) bool { return o.About == more.About })
		if i < 0 {
			list = append(list, more)
			continue
		}
		list[i].Starts = append(list[i].Starts, more.Starts...)
		list[i].tidy()
	}
	slices.SortFunc(list, func(a, b Subject) int { return a.About.Compare(b.About) })
	return list
}
