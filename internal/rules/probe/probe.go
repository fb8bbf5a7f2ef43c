// SPDX-License-Identifier: Apache-2.0

// Package probe holds the rules about probes: which one failed, how, and what the kubelet did about it.
package probe

import (
	"fmt"
	"regexp"
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
}

var statusCode = regexp.MustCompile(`statuscode: (\d{3})`)

// how says how a probe failed, in words, from what the kubelet writes into an Unhealthy Event (kubernetes
// pkg/kubelet/prober/prober.go and pkg/probe). The rest of the message is the probed program's own and may say anything.
func how(message string, probe *corev1.Probe) string {
	if strings.Contains(message, " probe errored") {
		return "it could not be run"
	}
	_, answer, _ := strings.Cut(message, "probe failed: ")
	lower := strings.ToLower(answer)
	switch m := statusCode.FindStringSubmatch(answer); {
	case m != nil:
		return "it was answered with HTTP status " + m[1]
	case strings.Contains(lower, "connection refused"):
		return "the connection was refused"
	case strings.Contains(lower, "deadline exceeded"), strings.Contains(lower, "timed out"), strings.Contains(lower, "timeout"):
		return "it timed out"
	case strings.Contains(lower, "no route to host"), strings.Contains(lower, "network is unreachable"):
		return "the pod could not be reached"
	case strings.Contains(lower, "connection reset"), strings.Contains(lower, "eof"):
		return "the connection was closed without an answer"
	case probe != nil && probe.Exec != nil:
		return "its command failed"
	}
	return "it failed"
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

// budget says how long a probe lets a container fail before the kubelet acts.
func budget(probe *corev1.Probe) string {
	return fmt.Sprintf("%d failures every %ds", max(probe.FailureThreshold, 1), max(probe.PeriodSeconds, 1))
}

// failures returns the newest Unhealthy Event of one sort of probe that had begun by the time given: the run after may
// fail its probe in another way.
func failures(p *diagnosis.Pass, sort string, by time.Time) (evidence.Event, bool) {
	var newest evidence.Event
	for _, e := range p.Events("Unhealthy") {
		if strings.HasPrefix(e.Message, sort+" probe") && !e.First.After(by) {
			newest = e
		}
	}
	return newest, newest.Reason != ""
}

// fixes proposes what remedies a probe that kills: for a time-out more time, for a slow start a startup probe.
func fixes(p *diagnosis.Pass, field string, probe *corev1.Probe, failed string) []diagnosis.Fix {
	name := p.About().Container
	look := diagnosis.Fix{
		Title:   fmt.Sprintf("Find out why %s does not answer its %s (%s): the log of that attempt ends with it", name, words[field], target(probe)),
		Command: fmt.Sprintf("kubectl -n %s logs %s -c %s --previous --tail=50", p.About().Namespace, p.About().Name, name),
	}
	if probe == nil {
		return []diagnosis.Fix{look}
	}
	switch {
	case failed == "it timed out" && probe.TimeoutSeconds <= 1:
		return []diagnosis.Fix{look, {
			Title: fmt.Sprintf("Give the %s of %s 5s instead of 1s to answer", words[field], name), Risk: diagnosis.Restart,
			Patch: p.PatchContainer(map[string]any{field: map[string]any{"timeoutSeconds": 5}}),
		}}
	case field == "startupProbe":
		more := 2 * max(probe.FailureThreshold, 1)
		return []diagnosis.Fix{look, {
			Title: fmt.Sprintf("Give %s twice the time to start: failureThreshold %d instead of %d", name, more, max(probe.FailureThreshold, 1)),
			Risk:  diagnosis.Restart,
			Patch: p.PatchContainer(map[string]any{field: map[string]any{"failureThreshold": more}}),
		}}
	}
	return []diagnosis.Fix{look}
}

var words = map[string]string{"livenessProbe": "liveness probe", "startupProbe": "startup probe", "readinessProbe": "readiness probe"}
