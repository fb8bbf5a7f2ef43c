// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestRules(t *testing.T) { ruletest.Run(t, Rules, Manifests) }

func TestHow(t *testing.T) {
	get := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{}}}
	tcp := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}}
	exec := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{}}}
	for _, c := range []struct {
		probe   *corev1.Probe
		message string
		want    kind
	}{
		{get, "Liveness probe failed: HTTP probe failed with statuscode: 500", status},
		{nil, "Liveness probe failed: HTTP probe failed with statuscode: 500", status},
		{tcp, "Liveness probe failed: HTTP probe failed with statuscode: 500", unclear},
		{exec, "Liveness probe failed: statuscode: 500", badCommand},
		{get, `Liveness probe errored: port "web" not found`, noPort},
		{exec, `Liveness probe errored: port "web" not found`, notRun},
		{get, `Liveness probe failed: port "web" not found`, unclear},
		{get, `Liveness probe errored: port "web" is odd`, notRun},
		{get, `Liveness probe errored: host not found`, notRun},
		{tcp, "Liveness probe failed: dial tcp 10.0.0.5:80: i/o timeout", unreachable},
		{exec, "Liveness probe failed: dial tcp 10.0.0.5:80: i/o timeout", badCommand},
		{tcp, "Liveness probe failed: read: i/o timeout", timedOut},
		{tcp, "Liveness probe failed: dial tcp 10.0.0.5:80: connect: connection refused", refused},
		{exec, "Liveness probe failed: connection refused", badCommand},
		{exec, "Liveness probe failed: command timed out", timedOut},
		{exec, "Liveness probe errored: rpc error: code = DeadlineExceeded desc = failed to exec in container: timeout 1s exceeded: context deadline exceeded", timedOut},
		{exec, "Liveness probe failed: curl: (28) Operation timed out after 1001 milliseconds", badCommand},
		{exec, "Liveness probe failed: fatal: Get \"http://10.97.87.81:8080/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)", badCommand},
		{get, "Liveness probe failed: hm", unclear},
	} {
		if got := how(c.message, c.probe).kind; got != c.want {
			t.Errorf("%s: %v, want %v", c.message, got, c.want)
		}
	}
}

func TestTarget(t *testing.T) {
	for want, probe := range map[string]*corev1.Probe{
		"probe":                       {},
		"GET /up on port http":        {ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/up", Port: intstr.FromString("http")}}},
		"TCP connection to port 80":   {ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(80)}}},
		"gRPC health check on port 9": {ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 9}}},
		"command /up -v":              {ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/up", "-v"}}}},
	} {
		if got := target(probe); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := target(nil); got != "probe" {
		t.Error(got)
	}
}

func TestAsked(t *testing.T) {
	for want, h := range map[string]corev1.ProbeHandler{
		"":                          {},
		".httpGet path /up, port 1": {HTTPGet: &corev1.HTTPGetAction{Path: "/up", Port: intstr.FromInt32(1)}},
		".httpGet.port port 1":      {HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(1)}},
		".tcpSocket.port port 2":    {TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(2)}},
		".grpc.port port 3":         {GRPC: &corev1.GRPCAction{Port: 3}},
		".exec.command command /up": {Exec: &corev1.ExecAction{Command: []string{"/up"}}},
	} {
		under, text := asked(h)
		if got := under + " " + text; got != want && under != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAsks(t *testing.T) {
	for want, h := range map[string]*corev1.LifecycleHandler{
		"hook":               {},
		"command /up":        {Exec: &corev1.ExecAction{Command: []string{"/up"}}},
		"GET /up on port 80": {HTTPGet: &corev1.HTTPGetAction{Path: "/up", Port: intstr.FromInt32(80)}},
		"sleep 5":            {Sleep: &corev1.SleepAction{Seconds: 5}},
	} {
		if got := asks(h); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLived(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 3, 2, 10, 0, second, 0, time.UTC) }
	run := func(code int) evidence.Attempt {
		return evidence.Attempt{Started: at(0), Finished: at(40), ExitCode: code}
	}
	ordered, inferred := evidence.Order{Event: evidence.Event{Last: at(30)}}, evidence.Order{Inferred: true}
	for _, c := range []struct {
		attempt evidence.Attempt
		order   evidence.Order
		want    time.Duration
	}{
		{run(137), ordered, 30 * time.Second}, {run(143), inferred, 40 * time.Second}, {run(0), inferred, 40 * time.Second}, {run(137), inferred, 0},
	} {
		if got := lived(c.attempt, c.order); got != c.want {
			t.Errorf("exit code %d, inferred %v: %s", c.attempt.ExitCode, c.order.Inferred, got)
		}
	}
}

func TestProbeOf(t *testing.T) {
	c := corev1.Container{Name: "app", LivenessProbe: &corev1.Probe{PeriodSeconds: 1}, StartupProbe: &corev1.Probe{PeriodSeconds: 2}, ReadinessProbe: &corev1.Probe{PeriodSeconds: 3}}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
	of := evidence.RefOf(pod)
	for message, want := range map[string]int32{"Liveness probe failed: x": 1, "Startup probe failed: x": 2, "Readiness probe failed: x": 3} {
		if got := probeOf(pod, evidence.Event{About: of.InContainer("app"), Message: message}); got.PeriodSeconds != want {
			t.Errorf("%s: %v", message, got)
		}
	}
	if got := probeOf(pod, evidence.Event{About: of, Message: "Liveness probe failed: x"}); got != nil {
		t.Errorf("of no container: %v", got)
	}
}
