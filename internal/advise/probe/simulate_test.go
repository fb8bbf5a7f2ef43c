// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"math"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ask is a probe over HTTP: initialDelaySeconds, periodSeconds, timeoutSeconds, failureThreshold.
func ask(delay, period, timeout, failures int32) *corev1.Probe {
	p := &corev1.Probe{InitialDelaySeconds: delay, PeriodSeconds: period, TimeoutSeconds: timeout, FailureThreshold: failures, SuccessThreshold: 1}
	p.HTTPGet = &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8080), Scheme: corev1.URISchemeHTTP}
	return p
}

const s = time.Second

// TestSimulate: what a kubelet does, case by case, from its source.
func TestSimulate(t *testing.T) {
	never := Course{Lives: Never, Ready: Never}
	tcp := ask(0, 10, 1, 3)
	tcp.ProbeHandler = corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}
	twice := ask(0, 10, 1, 3)
	twice.SuccessThreshold = 2
	for name, c := range map[string]struct {
		probes Probes
		course Course
		phase  Phase
		want   Outcome
	}{
		"no probes":                       {Probes{}, never, Phase{}, Outcome{Killed: Never}},
		"refused from the first tick on":  {Probes{Liveness: ask(0, 10, 1, 3)}, never, Phase{}, Outcome{Ready: 0, Killed: 20 * s, By: evidence.ByLiveness}},
		"the ticker is the pod's":         {Probes{Liveness: ask(0, 10, 1, 3)}, never, Phase{Liveness: 7 * s}, Outcome{Killed: 27 * s, By: evidence.ByLiveness}},
		"silence lasts its time-out":      {Probes{Liveness: ask(0, 10, 1, 3)}, Course{Lives: Never, Silent: true}, Phase{}, Outcome{Killed: 21 * s, By: evidence.ByLiveness}},
		"a tick during a try is kept":     {Probes{Liveness: ask(0, 10, 15, 3)}, Course{Lives: Never, Silent: true}, Phase{}, Outcome{Killed: 45 * s, By: evidence.ByLiveness}},
		"the delay is skipped ticks":      {Probes{Liveness: ask(25, 10, 1, 3)}, never, Phase{}, Outcome{Killed: 50 * s, By: evidence.ByLiveness}},
		"a second that had begun":         {Probes{Liveness: ask(10, 10, 1, 1)}, never, Phase{Liveness: 9200 * time.Millisecond, Second: 900 * time.Millisecond}, Outcome{Killed: 9200 * time.Millisecond, By: evidence.ByLiveness}},
		"and one that had not":            {Probes{Liveness: ask(10, 10, 1, 1)}, never, Phase{Liveness: 9200 * time.Millisecond}, Outcome{Killed: 19200 * time.Millisecond, By: evidence.ByLiveness}},
		"answers in time":                 {Probes{Liveness: ask(0, 10, 1, 3)}, Course{Lives: 20 * s}, Phase{}, Outcome{Killed: Never}},
		"a moment late":                   {Probes{Liveness: ask(0, 10, 1, 3)}, Course{Lives: 20*s + 1}, Phase{}, Outcome{Killed: 20 * s, By: evidence.ByLiveness}},
		"an answer that is too slow":      {Probes{Liveness: ask(0, 10, 1, 3)}, Course{Latency: s}, Phase{}, Outcome{Killed: 21 * s, By: evidence.ByLiveness}},
		"a server that waits answers":     {Probes{Liveness: ask(0, 10, 5, 1)}, Course{Lives: 4 * s, Silent: true}, Phase{}, Outcome{Killed: Never}},
		"startup holds liveness back":     {Probes{Startup: ask(0, 5, 1, 10), Liveness: ask(0, 2, 1, 1)}, Course{Lives: 31 * s, Ready: 31 * s}, Phase{}, Outcome{Started: 35 * s, Ready: 35 * s, Killed: Never}},
		"startup ends it":                 {Probes{Startup: ask(0, 5, 1, 6), Liveness: ask(0, 2, 1, 1)}, Course{Lives: 31 * s, Ready: 31 * s}, Phase{}, Outcome{Started: Never, Ready: Never, Killed: 25 * s, By: evidence.ByStartup}},
		"readiness at once after startup": {Probes{Startup: ask(0, 5, 1, 10), Readiness: ask(0, 30, 1, 1)}, Course{Lives: 11 * s, Ready: 11 * s}, Phase{}, Outcome{Started: 15 * s, Ready: 15 * s, Killed: Never}},
		"then at its own pace":            {Probes{Startup: ask(0, 5, 1, 10), Readiness: ask(0, 30, 1, 1)}, Course{Lives: 11 * s, Ready: 16 * s}, Phase{}, Outcome{Started: 15 * s, Ready: 45 * s, Killed: Never}},
		"two successes":                   {Probes{Readiness: twice}, Course{}, Phase{}, Outcome{Ready: 10 * s, Killed: Never}},
		"out and in again":                {Probes{Readiness: ask(0, 10, 1, 2)}, Course{Mute: []Span{{95 * s, 125 * s}, {205 * s, 215 * s}}}, Phase{}, Outcome{Killed: Never, Unready: 1}},
		"a pause that it bears":           {Probes{Liveness: ask(0, 10, 1, 3)}, Course{Mute: []Span{{5000 * s, 5020 * s}}}, Phase{}, Outcome{Killed: Never}},
		"and one that it does not":        {Probes{Liveness: ask(0, 10, 1, 3)}, Course{Mute: []Span{{5000 * s, 5021 * s}}}, Phase{}, Outcome{Killed: 5020 * s, By: evidence.ByLiveness}},
		"a connection to what hangs":      {Probes{Liveness: tcp}, Course{Mute: []Span{{500 * s, Never}}, Silent: true}, Phase{}, Outcome{Killed: Never}},
		"a connection to nobody":          {Probes{Liveness: tcp}, Course{Mute: []Span{{500 * s, Never}}}, Phase{}, Outcome{Killed: 520 * s, By: evidence.ByLiveness}},
		"failures of the attempt before":  {Probes{Startup: ask(0, 5, 1, 6)}, never, Phase{CarriedStartup: 4}, Outcome{Started: Never, Ready: Never, Killed: 5 * s, By: evidence.ByStartup}},
		"which one success wipes out":     {Probes{Liveness: ask(0, 5, 1, 3)}, Course{Mute: []Span{{20 * s, Never}}}, Phase{CarriedLiveness: 2}, Outcome{Killed: 30 * s, By: evidence.ByLiveness}},
		"it ends first":                   {Probes{Liveness: ask(0, 10, 1, 3)}, Course{Lives: Never, Ends: 19 * s}, Phase{}, Outcome{Killed: Never}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Simulate(c.probes, c.course, c.phase, 10000*s); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// TestBounds: what a set of probes bears and notices, over all ticks.
func TestBounds(t *testing.T) {
	for name, c := range map[string]struct {
		probes                    Probes
		patience, givesUp, notice time.Duration
	}{
		"none":        {Probes{}, Never, Never, Never},
		"readiness":   {Probes{Readiness: ask(0, 1, 1, 1)}, Never, Never, Never},
		"liveness":    {Probes{Liveness: ask(0, 10, 1, 3)}, 20 * s, 31 * s, 31 * s},
		"with delay":  {Probes{Liveness: ask(30, 10, 1, 3)}, 50 * s, 60 * s, 31 * s},
		"one failure": {Probes{Liveness: ask(0, 10, 1, 1)}, 0, 11 * s, 11 * s},
		"startup":     {Probes{Startup: ask(0, 5, 1, 12), Liveness: ask(0, 10, 1, 3)}, 55 * s, 61 * s, 31 * s},
	} {
		t.Run(name, func(t *testing.T) {
			got := []time.Duration{c.probes.Patience(), c.probes.GivesUp(), c.probes.Notices()}
			for i, want := range []time.Duration{c.patience, c.givesUp, c.notice} {
				if off := got[i] - want; off > s || off < -s {
					t.Errorf("%s: %s, want %s", []string{"patience", "gives up", "notices"}[i], advise.Round(got[i]), advise.Round(want))
				}
			}
		})
	}
}

// TestHuge: the greatest numbers that an API server takes are reckoned with and not counted up to.
func TestHuge(t *testing.T) {
	const most = math.MaxInt32
	for name, c := range map[string]struct {
		probes            Probes
		patience, notices time.Duration
	}{
		"a threshold":             {Probes{Liveness: ask(0, 1, 1, most)}, (most - 1) * s, most * s},
		"a period":                {Probes{Liveness: ask(0, most, 1, 3)}, 2 * most * s, Never},
		"a delay":                 {Probes{Liveness: ask(most, 10, 1, 3)}, most*s + 20*s, 31 * s},
		"a time-out":              {Probes{Liveness: ask(0, 10, most, 1)}, 0, Never},
		"all":                     {Probes{Startup: ask(most, most, most, most), Liveness: ask(most, most, most, most), Readiness: ask(most, most, most, most)}, Never, Never},
		"before others are asked": {Probes{Startup: ask(0, 1, 1, most), Liveness: ask(0, 1, 1, 3), Readiness: ask(0, 1, 1, 1)}, (most - 1) * s, 4 * s},
	} {
		t.Run(name, func(t *testing.T) {
			for i, got := range []time.Duration{c.probes.Patience(), c.probes.Notices()} {
				want := []time.Duration{c.patience, c.notices}[i]
				if off := got - want; off > 10*s || off < -10*s {
					t.Errorf("%d: %s, want %s", i, got, want)
				}
			}
			starts := []Start{{Lives: 30 * s, Ready: 30 * s, Pauses: []Span{{40 * s, 100 * s}}}, {Lives: Never, Ready: Never, Ended: true, By: evidence.ByLiveness, Lived: Never}}
			p := propose(c.probes, tally(starts), starts, nil, nil)
			for _, q := range []*corev1.Probe{p.Startup, p.Liveness} {
				if q != nil && (q.PeriodSeconds <= 0 || q.FailureThreshold <= 0 || q.InitialDelaySeconds < 0) {
					t.Errorf("proposed %+v", q)
				}
			}
		})
	}
}

// TestBasis: one start has no spread.
func TestBasis(t *testing.T) {
	one := Tally{Starts: 1, Pods: 1, Healthy: 1, Shortest: 9 * s, Median: 9 * s, Longest: 9 * s}
	if got := Basis(one); got != "it rests on 1 start of 1 pod; 1 became healthy within 9s" {
		t.Error(got)
	}
}
