// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/advise"
)

// lasts tells whether the container is to run for as long as its pod: what runs to its end is sent no requests.
func (o *Subject) lasts() bool {
	return o.Pod.RestartPolicy == "" || o.Pod.RestartPolicy == corev1.RestartPolicyAlways
}

// passed tells whether a run is known to have answered a question that its probe of that kind asked: its success was seen, or it has
// outlived what the probe bears.
func (s *Start) passed(kind string, q *corev1.Probe) bool {
	asked := s.Probes.of(kind)
	if !sameQuestion(asked, q) {
		return false
	}
	startup := s.Probes.Startup
	switch {
	case kind == "Readiness":
		return s.Ready != Never
	case s.measured() && (kind == "Startup" || startup == nil && s.Codes[kind] == ""): // a pod can be ready while its liveness probe fails
		return true
	case s.By != "":
		return false
	case kind == "Startup" || startup == nil:
		return s.Lived > tolerates(asked)
	}
	return s.Lived-tolerates(asked) > tolerates(startup)
}

// tolerates is how long a probe lets a container live that it is not answered by; a tcpSocket is answered by one that says nothing.
func tolerates(q *corev1.Probe) time.Duration {
	p := Probes{Liveness: q}
	if q.TCPSocket != nil {
		return p.Latest(Course{Lives: Never, Ready: Never})
	}
	return p.GivesUp()
}

// answering returns the kind of the startup or liveness probe that was answered in some run, rather of one that asks for more than a connection;
// "" where none is known to have been, or only a command that takes more than it tells.
func answering(present Probes, starts []Start) (kind string) {
	for _, k := range []string{"Startup", "Liveness"} {
		q := present.of(k)
		known := q != nil && heavy("", q) == nil && slices.ContainsFunc(starts, func(s Start) bool { return s.passed(k, q) })
		if known && (kind == "" || present.of(kind).TCPSocket != nil) {
			kind = k
		}
	}
	return kind
}

// port returns the port on which the container most probably serves and who says so, or why that is not known.
func (o *Subject) port() (at int32, by, why string) {
	ports := slices.DeleteFunc(slices.Clone(o.Spec.Ports), func(p corev1.ContainerPort) bool {
		return p.Protocol != "" && p.Protocol != corev1.ProtocolTCP
	})
	served := slices.DeleteFunc(slices.Clone(ports), func(p corev1.ContainerPort) bool { return !o.asked(p) })
	switch {
	case len(ports) == 1:
		return ports[0].ContainerPort, "which the container declares", ""
	case len(served) == 1:
		return served[0].ContainerPort, "which the container declares and its Service asks for", ""
	case len(ports) > 1:
		return 0, "", fmt.Sprintf("it declares %d ports, and no Service %s asks for one of them alone", len(ports), o.where())
	case len(o.Served) == 1 && o.Served[0].IntVal > 0 && len(o.Pod.Containers) == 1:
		return o.Served[0].IntVal, "which its Service asks for", ""
	}
	return 0, "", "it declares no TCP port, and no Service " + o.where() + " asks it for one"
}

// where is where Services were looked for.
func (o *Subject) where() string {
	switch {
	case o.Unserved != "":
		return "that could be read (" + o.Unserved + ")"
	case o.Looked:
		return "of its namespace"
	}
	return "in the evidence"
}

// asked tells whether a Service sends requests to a port.
func (o *Subject) asked(p corev1.ContainerPort) bool {
	return slices.ContainsFunc(o.Served, func(t intstr.IntOrString) bool {
		return t.StrVal != "" && t.StrVal == p.Name || t.IntVal == p.ContainerPort
	})
}

// alone tells whether no Service leads to its pods.
func (o *Subject) alone() bool { return o.Looked && o.Unserved == "" && !o.Led }

// addReadiness adds a readiness probe where there is none, with the question of a probe that is known to be answered, or else with a
// connection. It returns why there is none still.
func (p *proposal) addReadiness(o *Subject, starts []Start, stops []Pause) (why string) {
	if p.Readiness != nil || !o.lasts() {
		return ""
	}
	q := &corev1.Probe{TimeoutSeconds: 1, SuccessThreshold: 1}
	kind := answering(Of(&o.Spec), starts)
	asks := fmt.Sprintf("one asks what its %s probe asks, which is known to be answered", strings.ToLower(kind))
	if source := p.of(kind); source != nil {
		q.ProbeHandler, q.TimeoutSeconds, q.PeriodSeconds = *source.ProbeHandler.DeepCopy(), source.TimeoutSeconds, source.PeriodSeconds
	} else {
		port, says, unknown := o.port()
		if unknown != "" {
			return unknown
		}
		q.TCPSocket = &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}
		asks = fmt.Sprintf("one opens a connection to port %d, %s; a rollout waits where nothing listens there, and a path that tells whether it can serve is better", port, says)
	}
	waits := p.waits(q, o.Answers.Slowest[kind], stops)
	p.pace(q)
	p.Readiness = q
	before := "it is sent requests as soon as it runs"
	if p.Startup != nil {
		before = "it goes on to be sent requests while it cannot answer"
	}
	if o.alone() {
		before = "a rollout goes on before it can answer; no Service leads to it, so that its requests do not depend on that"
	}
	p.because("it has no readiness probe, so %s: %s", before, asks)
	unready := "taken out of its Services"
	if o.alone() {
		unready = "unready"
	}
	p.because("asked every %ds it is %s after %s%s; %s", q.PeriodSeconds, unready, advise.Count(int(q.FailureThreshold), "failure"), p.ahead(), waits)
	return ""
}

// ahead says whether the readiness probe acts before the liveness probe.
func (p *proposal) ahead() string {
	if p.Liveness != nil && p.sooner(p.Readiness) {
		return ", before the liveness probe ends it"
	}
	return ""
}

// waits gives a new probe the time that answers were measured to need, never less than the one that it is like, and says why.
func (p *proposal) waits(q *corev1.Probe, by Slowest, stops []Pause) string {
	pause := Pause{}
	if len(stops) > 0 {
		pause = stops[0]
	}
	if by.Within == Never || by.Within+pause.Lasts == 0 {
		return fmt.Sprintf("how long its answers take was not measured, so they get %ds", q.TimeoutSeconds)
	}
	q.TimeoutSeconds = max(q.TimeoutSeconds, int32(withMargin(by.Within+pause.Lasts)/time.Second))
	return fmt.Sprintf("%s, so answers get %ds", because(by, pause), q.TimeoutSeconds)
}

// pace says how often a new readiness probe asks and how often it may fail: with half of the patience of the liveness probe, so that what
// recovers is taken out of its Services and not restarted. A command is asked no more often than it is now.
func (p *proposal) pace(q *corev1.Probe) {
	periods := []int32{10, 5, 2, 1}
	if q.Exec != nil {
		periods = []int32{q.PeriodSeconds}
	}
	for _, period := range periods {
		for failures := int32(3); failures > 1; failures-- {
			q.PeriodSeconds, q.FailureThreshold = period, failures
			if period >= min(q.TimeoutSeconds, periods[0]) && (p.Liveness == nil || p.sooner(q)) {
				return
			}
		}
	}
	q.PeriodSeconds, q.FailureThreshold = periods[0], 1
	if p.Liveness != nil && q.Exec == nil {
		q.PeriodSeconds = min(q.PeriodSeconds, p.Liveness.PeriodSeconds)
	}
}

// sooner tells whether a readiness probe has at most half the patience of the liveness probe, and acts before it at whatever tick.
func (p *proposal) sooner(q *corev1.Probe) bool {
	live := p.Liveness
	ours, theirs := times(int64(q.FailureThreshold), seconds(q.PeriodSeconds)), times(int64(live.FailureThreshold), seconds(live.PeriodSeconds))
	return ours <= theirs/2 && ours+seconds(q.TimeoutSeconds) <= theirs-seconds(live.PeriodSeconds)
}
