// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"strings"
	"time"
)

// An Orderer is what made the kubelet end a container.
type Orderer string

// The orderers that the kubelet names in a Killing Event.
const (
	ByLiveness   Orderer = "liveness probe"
	ByStartup    Orderer = "startup probe"
	ByStop       Orderer = "pod stop" // deletion, eviction, preemption: the pod says which
	ByDefinition Orderer = "definition change"
	ByPostStart  Orderer = "postStart hook"
	BySandbox    Orderer = "sandbox change"
	ByOther      Orderer = "kubelet"
)

// An Order is the kubelet's decision to end one attempt, as its Killing Event tells it. The Event carries the time of
// the order and not of the death: what lies between tells a SIGTERM that was honoured from one that was not.
type Order struct {
	By       Orderer
	Grace    time.Duration // what the attempt was given to end by itself
	Event    Event         // the Killing Event of this attempt; when inferred, one like it
	Inferred bool          // the order itself was not recorded
}

// killing maps what the kubelet writes into a Killing Event (kubernetes pkg/kubelet/kuberuntime/
// kuberuntime_container.go, killContainer, and kuberuntime_manager.go, computePodActions).
var killing = []struct {
	part string
	by   Orderer
}{
	{"failed liveness probe", ByLiveness},
	{"failed startup probe", ByStartup},
	{"definition changed", ByDefinition},
	{"PostStartHook", ByPostStart},
	{"sandbox changed", BySandbox},
	{"Stopping container", ByStop},
}

// clockSlack covers that Events and container states are written in whole seconds, by different clocks of one node.
const clockSlack = 2 * time.Second

// recorderBurst is how many Normal Events about one pod the kubelet's recorder lets through; after that it is one in
// five minutes, and the rest is dropped without a word (client-go tools/record, defaultSpamBurst and defaultSpamQPS;
// the kubelet of 1.37 counts Normal and Warning apart, as the lab shows). A pod in a crash loop reaches it within ten
// restarts, and from then on its Killing Events are mostly missing.
const recorderBurst = 25

// OrderFor returns the kubelet's order that attempt a ended by: the newest Killing Event that lies within its life.
// Where the recorder has dropped or merged it, an order is inferred from other Killing Events or from a failing probe.
func (s *Snapshot) OrderFor(a Attempt) (Order, bool) {
	order, ordered := s.orders[a.Of]
	return order, ordered
}

func (s *Snapshot) orderFor(pod *Pod, a Attempt) Order {
	if !a.Ended() || a.Started.IsZero() { // what never started was never ordered to stop
		return Order{}
	}
	best := s.orderWithin(pod, a)
	if best.By == "" && a.endsLikeAnOrder() {
		best = s.inferOrder(pod, a)
	}
	best.Grace = graceOf(pod, a.Of.Container, best.By)
	return best
}

// orderWithin looks for a Killing Event within the life of the attempt. Repeated Events are merged and keep their
// first and last time only. A probe fails some time after the start: its order of the second in which this run began
// ended the run before.
func (s *Snapshot) orderWithin(pod *Pod, a Attempt) Order {
	var best Order
	for _, e := range s.EventsAbout(a.Of) {
		by := ordererOf(e.Message)
		if e.Reason != "Killing" || !s.believes(pod, a.Of, e) {
			continue
		}
		for _, at := range []time.Time{e.First, e.Last} {
			if within(at, a) && at.After(best.Event.Last) && (at.After(a.Started) || !by.isProbe()) {
				e.Last = at
				best = Order{By: by, Event: e}
			}
		}
	}
	return best
}

// believes tells whether an Event can be the kubelet's word about the container. Whoever edits a namespace can write
// Events: one of another reporter or node, about a probe that the spec does not have, or, without a field path, about
// another container is not.
func (s *Snapshot) believes(pod *Pod, of Ref, e Event) bool {
	c, by := ContainerSpec(pod, of.Container), ordererOf(e.Message)
	stranger := e.Reporter != "" && e.Reporter != "kubelet" || e.ReportingHost != "" && e.ReportingHost != pod.Spec.NodeName
	other := e.About.Container == "" && !slices.Contains(strings.Fields(e.Message), of.Container)
	noProbe := s.Has&Spec != 0 && c != nil && (by == ByLiveness && c.LivenessProbe == nil || by == ByStartup && c.StartupProbe == nil)
	return !stranger && !other && !noProbe
}

// inferOrder says which probe has been ending the container, where the order of this attempt itself is not recorded:
// the recorder has dropped Events, or it has merged the order into a series that goes on past the end. The two orders of
// a series of two are both known.
func (s *Snapshot) inferOrder(pod *Pod, a Attempt) Order {
	var best Order
	drops := s.dropsEvents(a.Of)
	for _, e := range s.EventsAbout(a.Of) {
		by := Orderer("")
		spans := e.Count > 2 && e.First.Before(a.Finished) && e.Last.After(a.Started)
		switch {
		case e.Reason == "Killing" && (drops || spans) && s.believes(pod, a.Of, e):
			by = ordererOf(e.Message)
		case e.Reason == "Unhealthy" && drops && within(e.Last, a):
			by = proberOf(e.Message)
		}
		if by.isProbe() && e.First.Before(a.Finished) {
			best = Order{By: by, Event: e, Inferred: true}
		}
	}
	return best
}

// proberOf says whose failure an Unhealthy Event tells of, where that can end a container.
func proberOf(message string) Orderer {
	sort, _, _ := strings.Cut(message, " probe")
	return map[string]Orderer{"Liveness": ByLiveness, "Startup": ByStartup}[sort]
}

func (o Orderer) isProbe() bool { return o == ByLiveness || o == ByStartup }

// endsLikeAnOrder tells whether the exit code is one that an order brings about: SIGTERM honoured, SIGKILL after the
// grace period, or an exit without error in answer to SIGTERM.
func (a Attempt) endsLikeAnOrder() bool {
	return a.ExitCode == 0 || a.ExitCode == 137 || a.ExitCode == 143
}

// dropsEvents tells whether the kubelet's recorder has begun to drop Normal Events about the pod.
func (s *Snapshot) dropsEvents(of Ref) bool {
	n := 0
	for _, e := range s.EventsAbout(of.Object()) {
		if e.Type == "Normal" && e.Reporter == "kubelet" {
			n += e.Count
		}
	}
	return n >= recorderBurst
}

// within tells whether something of that second belongs to the run. What came before its start belongs to the run
// before: the kubelet restarts a container in the second after it ordered its end.
func within(at time.Time, a Attempt) bool {
	return !at.Before(a.Started.Truncate(time.Second)) && (a.Finished.IsZero() || !at.After(a.Finished.Add(clockSlack)))
}

func ordererOf(message string) Orderer {
	for _, k := range killing {
		if strings.Contains(message, k.part) {
			return k.by
		}
	}
	return ByOther
}

// graceOf returns what the kubelet waits between SIGTERM and SIGKILL: the probe's own grace period, else that of the
// deletion, else that of the pod (30 s by default).
func graceOf(pod *Pod, container string, by Orderer) time.Duration {
	seconds := int64(30)
	if g := pod.Spec.TerminationGracePeriodSeconds; g != nil {
		seconds = *g
	}
	if g := pod.DeletionGracePeriodSeconds; g != nil && *g > 0 && by == ByStop { // 0 once everything has ended
		seconds = *g
	}
	if c := ContainerSpec(pod, container); c != nil {
		probe := c.LivenessProbe
		if by == ByStartup {
			probe = c.StartupProbe
		}
		if by.isProbe() && probe != nil && probe.TerminationGracePeriodSeconds != nil {
			seconds = *probe.TerminationGracePeriodSeconds
		}
	}
	return time.Duration(seconds) * time.Second
}

// Waited is how long the attempt lived on after the order; 0 when that is not known.
func (o Order) Waited(a Attempt) time.Duration {
	if o.Inferred {
		return 0
	}
	return max(a.Finished.Sub(o.Event.Last), 0)
}

// GraceExpired tells whether the attempt is seen to have outlived its grace period, which is when the runtime sends
// SIGKILL.
func (o Order) GraceExpired(a Attempt) bool { return !o.Inferred && o.Waited(a) >= o.Grace-clockSlack }
