// SPDX-License-Identifier: Apache-2.0

package evidence

import (
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
	By    Orderer
	Grace time.Duration // what the attempt was given to end by itself
	Event Event
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
	{"FailedPostStartHook", ByPostStart},
	{"PostStartHook", ByPostStart},
	{"sandbox changed", BySandbox},
	{"Stopping container", ByStop},
}

// clockSlack covers that Events and container states are written in whole seconds, by different clocks of one node.
const clockSlack = 2 * time.Second

// OrderFor returns the kubelet's order that attempt a ended by: the newest Killing Event that lies within its life.
// Repeated Events are merged and keep their first and last time only, so an order in between may not be found.
func (s *Snapshot) OrderFor(a Attempt) (Order, bool) {
	pod, ok := Get[*Pod](s, a.Of.Namespace, a.Of.Name)
	if !ok || !a.Ended() {
		return Order{}, false
	}
	var best Order
	for _, e := range s.EventsAbout(a.Of) {
		if e.Reason != "Killing" || e.About.Container != a.Of.Container && e.About.Container != "" {
			continue
		}
		for _, at := range []time.Time{e.First, e.Last} {
			if within(at, a) && at.After(best.Event.Last) {
				e.Last = at
				best = Order{By: ordererOf(e.Message), Event: e}
			}
		}
	}
	best.Grace = graceOf(pod, a.Of.Container, best.By)
	return best, best.By != ""
}

func within(at time.Time, a Attempt) bool {
	return !at.Before(a.Started.Add(-clockSlack)) && (a.Finished.IsZero() || !at.After(a.Finished.Add(clockSlack)))
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
	if g := pod.DeletionGracePeriodSeconds; g != nil && by == ByStop {
		seconds = *g
	}
	if c := ContainerSpec(pod, container); c != nil {
		probe := c.LivenessProbe
		if by == ByStartup {
			probe = c.StartupProbe
		}
		if (by == ByStartup || by == ByLiveness) && probe != nil && probe.TerminationGracePeriodSeconds != nil {
			seconds = *probe.TerminationGracePeriodSeconds
		}
	}
	return time.Duration(seconds) * time.Second
}

// Waited is how long the attempt lived on after the order.
func (o Order) Waited(a Attempt) time.Duration { return a.Finished.Sub(o.Event.Last) }

// GraceExpired tells whether the attempt outlived its grace period, which is when the runtime sends SIGKILL.
func (o Order) GraceExpired(a Attempt) bool { return o.Waited(a) >= o.Grace-clockSlack }
