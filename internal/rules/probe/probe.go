// SPDX-License-Identifier: Apache-2.0

// Package probe holds the rules about probes and hooks: which one failed, how, and what the kubelet did about it.
package probe

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	Liveness,
	Startup,
	Readiness,
	Starting,
	PostStart,
	PostStartHangs,
	PreStop,
	NodeStorm,
	PodsUnreachable,
	AllAtOnce,
	Saturated,
}

// target says what a probe asks.
func target(probe *corev1.Probe) string {
	switch {
	case probe == nil:
		return "probe"
	case probe.HTTPGet != nil:
		return fmt.Sprintf("GET %s on port %s", probe.HTTPGet.Path, probe.HTTPGet.Port.String())
	case probe.TCPSocket != nil:
		return "TCP connection to port " + probe.TCPSocket.Port.String()
	case probe.GRPC != nil:
		return fmt.Sprintf("gRPC health check on port %d", probe.GRPC.Port)
	case probe.Exec != nil:
		return "command " + strings.Join(probe.Exec.Command, " ")
	}
	return "probe"
}

// cite makes a fact of what the handler at a path of the container asks.
func cite(p *diagnosis.Pass, path string, h corev1.ProbeHandler) evidence.Fact {
	f := p.CiteSpec(path, "")
	under, text := asked(h)
	f.Where, f.Text = f.Where+under, text
	return f
}

// asked returns where a handler holds what it asks, below its path, and the text of the fact.
func asked(h corev1.ProbeHandler) (under, text string) {
	switch {
	case h.Exec != nil:
		return ".exec.command", "command " + strings.Join(h.Exec.Command, " ")
	case h.TCPSocket != nil:
		return ".tcpSocket.port", "port " + h.TCPSocket.Port.String()
	case h.GRPC != nil:
		return ".grpc.port", fmt.Sprintf("port %d", h.GRPC.Port)
	case h.HTTPGet != nil && h.HTTPGet.Path != "":
		return ".httpGet", fmt.Sprintf("path %s, port %s", h.HTTPGet.Path, h.HTTPGet.Port.String())
	case h.HTTPGet != nil:
		return ".httpGet.port", "port " + h.HTTPGet.Port.String()
	}
	return "", ""
}

// budget says how long a probe lets a container fail before the kubelet acts.
func budget(probe *corev1.Probe) string {
	return fmt.Sprintf("%d failures every %ds", max(probe.FailureThreshold, 1), max(probe.PeriodSeconds, 1))
}

// patience is how long a container that begins may fail a probe before the kubelet acts.
func patience(probe *corev1.Probe) time.Duration {
	return time.Duration(probe.InitialDelaySeconds+max(probe.PeriodSeconds, 1)*max(probe.FailureThreshold, 1)) * time.Second
}

// fromStart tells whether a run that was ended after that time can have failed the probe from its first try on: that is
// up to a period late, and a try that gets no answer takes timeoutSeconds, however soon the next one is due.
func fromStart(probe *corev1.Probe, lived time.Duration) bool {
	period, timeout := max(probe.PeriodSeconds, 1), max(probe.TimeoutSeconds, 1)
	longest := probe.InitialDelaySeconds + period + (max(probe.FailureThreshold, 1)-1)*max(period, timeout) + timeout
	return lived <= time.Duration(longest)*time.Second
}

// failures returns the newest Unhealthy Event of one sort of probe that had begun by the time given: the run after may
// fail its probe in another way.
func failures(p *diagnosis.Pass, sort string, by time.Time) (evidence.Event, bool) {
	var newest evidence.Event
	for _, e := range p.Events("Unhealthy") {
		if strings.HasPrefix(e.Message, sort+" probe") && !e.First.After(by) && about(p, e) {
			newest = e
		}
	}
	return newest, newest.Reason != ""
}

// about tells whether an Event can be about the pass's container: one without a container, as some clients print it, only
// where no other container has a probe.
func about(p *diagnosis.Pass, e evidence.Event) bool {
	if e.About.Container != "" {
		return true
	}
	for _, c := range p.PodSpec().Containers {
		if c.Name != p.About().Container && (c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil) {
			return false
		}
	}
	return true
}

var words = map[string]string{"livenessProbe": "liveness probe", "startupProbe": "startup probe", "readinessProbe": "readiness probe"}
