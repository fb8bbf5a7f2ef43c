// SPDX-License-Identifier: Apache-2.0

// Package profile makes what advice is measured on: starts and pauses of programs that are slow, start in two ways, are held back or
// wait for others, and memory and processors as programs use them. All of it comes from a seed, and what was in truth is known
// beside what a record would tell of it.
package profile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/advise/probe"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Program is how one starts and pauses, and what it is asked at present.
type Program struct {
	Name    string
	Present probe.Probes
	start   draw // seconds until it answers
	pause   draw // seconds, once it does, in one of four runs; nil: never
	silent  bool // what does not answer takes connections and says nothing
}

// A draw is a random number of seconds.
type draw func(*rand.Rand) float64

func normal(mean, deviation float64) draw {
	return func(r *rand.Rand) float64 { return max(mean+deviation*r.NormFloat64(), 0.2) }
}

// tailed has a long tail, as what waits for processors or for others.
func tailed(median, sigma, most float64) draw {
	return func(r *rand.Rand) float64 { return min(median*math.Exp(sigma*r.NormFloat64()), most) }
}

// either takes one in a share of the runs, else the other.
func either(share float64, one, other draw) draw {
	return func(r *rand.Rand) float64 {
		if r.Float64() < share {
			return one(r)
		}
		return other(r)
	}
}

// Ask is a probe over HTTP, by its initialDelaySeconds, periodSeconds, timeoutSeconds and failureThreshold.
func Ask(delay, period, timeout, failures int32) *corev1.Probe {
	p := &corev1.Probe{InitialDelaySeconds: delay, PeriodSeconds: period, TimeoutSeconds: timeout, FailureThreshold: failures, SuccessThreshold: 1}
	p.HTTPGet = &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8080), Scheme: corev1.URISchemeHTTP}
	return p
}

// Programs are twenty: slow ones, some that start in two ways, some that are held back, some that wait for others, and quick ones.
func Programs() []Program {
	live := func(l *corev1.Probe) probe.Probes { return probe.Probes{Liveness: l, Readiness: Ask(0, 5, 1, 3)} }
	both := func(s, l *corev1.Probe) probe.Probes { return probe.Probes{Startup: s, Liveness: l} }
	return []Program{
		{"slow", live(Ask(0, 10, 1, 3)), normal(14, 3), nil, false},
		{"slow, with a delay", live(Ask(60, 10, 1, 3)), normal(58, 9), nil, false},
		{"slow, with a startup probe", both(Ask(0, 10, 1, 30), Ask(0, 10, 1, 3)), normal(120, 20), nil, false},
		{"slow, with little time", both(Ask(0, 5, 1, 12), Ask(0, 5, 1, 2)), normal(45, 8), nil, true},
		{"two ways", live(Ask(5, 5, 1, 3)), either(0.7, normal(3, 0.5), normal(25, 4)), nil, false},
		{"two ways, with a startup probe", both(Ask(0, 2, 1, 20), Ask(0, 10, 1, 3)), either(0.5, normal(4, 1), normal(34, 3)), nil, false},
		{"two ways, one rare", both(Ask(0, 10, 1, 6), Ask(0, 10, 1, 3)), either(0.9, normal(8, 1), normal(55, 6)), nil, false},
		{"held back", live(Ask(10, 10, 1, 3)), tailed(12, 0.5, 90), nil, true},
		{"held back, and pauses", both(Ask(0, 10, 1, 30), Ask(0, 5, 1, 3)), tailed(20, 0.5, 200), normal(6, 1.5), true},
		{"held back, with long time-outs", both(Ask(0, 5, 5, 30), Ask(0, 10, 5, 3)), tailed(30, 0.4, 140), normal(12, 3), true},
		{"held back, asked each second", both(Ask(0, 1, 1, 120), Ask(0, 1, 1, 5)), tailed(15, 0.6, 100), normal(2, 0.5), true},
		{"waits for others", live(Ask(0, 10, 1, 6)), either(0.5, normal(5, 1), tailed(20, 0.7, 120)), nil, false},
		{"waits for others, with a startup probe", both(Ask(0, 5, 1, 40), Ask(0, 10, 1, 3)), either(0.6, normal(6, 1), tailed(40, 0.5, 190)), nil, false},
		{"waits for others, and refuses at times", both(Ask(0, 5, 1, 24), Ask(0, 5, 1, 3)), tailed(30, 0.5, 115), normal(7, 2), false},
		{"collects garbage", both(Ask(0, 5, 1, 12), Ask(0, 5, 1, 4)), normal(20, 4), normal(9, 2), true},
		{"may fail once", live(Ask(0, 10, 1, 1)), either(0.6, normal(0.3, 0.1), normal(9, 2)), nil, false},
		{"quick", live(Ask(0, 10, 1, 3)), normal(0.8, 0.2), nil, false},
		{"quick, and pauses", both(nil, Ask(0, 5, 1, 3)), normal(1.5, 0.3), normal(8, 1), false},
		{"asked each minute", both(nil, Ask(0, 60, 1, 3)), normal(70, 25), nil, false},
		{"ten minutes", both(Ask(0, 30, 1, 60), Ask(0, 30, 5, 3)), tailed(600, 0.3, 1500), nil, false},
	}
}

const runs = 40 // of each

// Record lets a program start under its present probes, each time at some tick of the kubelet, and returns what a record would say of
// each run and how it was.
func (p *Program) Record(seed uint64) (starts []probe.Start, truth []probe.Course) {
	r := rand.New(rand.NewPCG(seed, 20))
	for i := range runs {
		c := probe.Course{Lives: ofSeconds(p.start(r)), Silent: p.silent}
		c.Ready = c.Lives
		if p.pause != nil && r.IntN(4) == 0 {
			from := c.Lives + time.Hour + ofSeconds(3600*r.Float64())
			c.Mute = []probe.Span{{From: from, To: from + ofSeconds(p.pause(r))}}
		}
		truth = append(truth, c)
		starts = append(starts, p.seen(c, r, i))
	}
	return starts, truth
}

func ofSeconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// seen is what a record says of a run: probes see whether a container answers only when they ask.
func (p *Program) seen(c probe.Course, r *rand.Rand, i int) probe.Start {
	within := func(q *corev1.Probe) time.Duration {
		if q == nil {
			return 0
		}
		return ofSeconds(float64(q.PeriodSeconds) * r.Float64())
	}
	ph := probe.Phase{Startup: within(p.Present.Startup), Liveness: within(p.Present.Liveness), Second: ofSeconds(r.Float64())}
	o := probe.Simulate(p.Present, c, ph, c.Lives+4*time.Hour)
	st := probe.Start{
		Of: evidence.RefTo("Pod", "shop", fmt.Sprintf("web-%d", i)).InContainer("app").InAttempt(0), Pod: fmt.Sprint(i), Probes: p.Present,
		Began: time.Unix(1_750_000_000+int64(i)*3600, 0), Lives: probe.Never, Ready: probe.Never, Lived: 4 * time.Hour, Silent: p.silent && len(c.Mute) > 0,
	}
	if o.Killed != probe.Never {
		st.Lived, st.Ended, st.By = o.Killed, true, o.By
	}
	period := time.Duration(p.Present.Liveness.PeriodSeconds) * time.Second
	switch {
	case p.Present.Startup != nil:
		st.Lives = o.Started
	case st.Lived > c.Lives:
		st.Lives = nextTick(c.Lives, ph.Liveness, period)
	}
	if st.Lives != probe.Never && !st.Ended {
		for _, m := range c.Mute {
			st.Pauses = append(st.Pauses, p.failing(m, ph.Liveness, period)...)
		}
	}
	return st
}

// nextTick is the first tick from a time on.
func nextTick(from, phase, period time.Duration) time.Duration {
	n := int64((max(from-phase, 0) + period - 1) / period)
	return phase + time.Duration(n)*period
}

// failing is what a record says of a pause that was borne: how often the liveness probe failed in it, at its ticks.
func (p *Program) failing(m probe.Span, phase, period time.Duration) []probe.Span {
	n, waits := 0, time.Duration(0)
	if p.silent {
		waits = time.Duration(p.Present.Liveness.TimeoutSeconds) * time.Second
	}
	for at := nextTick(m.From, phase, period); at < m.To-waits; at += period {
		n++
	}
	if n == 0 {
		return nil
	}
	return []probe.Span{{From: m.From, To: m.From + time.Duration(n+1)*period}}
}

// Advise is the advice about a container with these probes and starts.
func Advise(present probe.Probes, starts []probe.Start) probe.Advice {
	of := evidence.RefTo("Deployment", "shop", "web")
	return probe.Advise(probe.Subject{Starts: starts, Container: advise.Container{
		About: of.InContainer("app"), Target: of,
		Spec: corev1.Container{Name: "app", StartupProbe: present.Startup, LivenessProbe: present.Liveness, ReadinessProbe: present.Readiness},
	}})
}

const hangs = 12 // that are injected into each program, at different times

// Faults are what is wrong with what was proposed, by how things were: a run that became healthy and is ended at some tick of the
// kubelet, and a hang that is noticed later than in twice the time that the present probes need. Slowest is the worst ratio of these
// two times. A run that the present probes ended did not become healthy, or was ended as if it hung; nor did one that never answers.
func Faults(a *probe.Advice, starts []probe.Start, truth []probe.Course) (faults []string, slowest float64) {
	for i, c := range truth {
		if o := a.Proposed.Worst(c); !starts[i].Ended && c.Lives != probe.Never && o.Killed != probe.Never {
			faults = append(faults, fmt.Sprintf("run %d, which answers from %s on and pauses in %v, is ended by its %s after %s", i, advise.Round(c.Lives), c.Mute, o.By, advise.Round(o.Killed)))
		}
	}
	for i := range hangs {
		for _, silent := range []bool{false, true} {
			began := 2*time.Hour + time.Duration(i)*1237*time.Millisecond
			hang := probe.Course{Mute: []probe.Span{{From: began, To: probe.Never}}, Silent: silent}
			now, then := a.Present.Latest(hang), a.Proposed.Latest(hang)
			if now == probe.Never {
				continue
			}
			slowest = max(slowest, float64(then-began)/float64(now-began))
			if then == probe.Never || then-began > 2*(now-began) {
				faults = append(faults, fmt.Sprintf("a hang after %s is noticed within %s, at present within %s", advise.Round(began), advise.Round(then-began), advise.Round(now-began)))
			}
		}
	}
	return faults, slowest
}
