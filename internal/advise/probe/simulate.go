// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A worker is the loop of a kubelet that asks one probe of one container (kubernetes pkg/kubelet/prober/worker.go, run and
// doProbe, as of v1.37.2).
type worker struct {
	spec *corev1.Probe
	by   evidence.Orderer // "" for the readiness probe

	base    time.Duration // a tick of its ticker; the others are periods away
	next    time.Duration // when it next looks, or Never
	pending bool          // a try is under way: at next it ends
	asked   time.Duration // when that began
	ok      bool          // and how it ends

	fails bool // the last result was a failure
	run   int  // how many in a row were like it
	holds bool // the result that the kubelet goes by: success
}

// Simulate asks as a kubelet does until a time after the start:
//
//   - a worker looks at each tick of a ticker that began with the pod and not with the container, and at once where a tick came
//     while it waited for an answer (a Go ticker keeps one);
//   - it asks nothing before initialDelaySeconds, counted in whole seconds from a start whose fraction was cut off;
//   - until the startup probe has succeeded the others are not asked, and after that the startup probe is not
//     (KEP-950);
//   - when the container counts as started, the readiness probe is asked at once and its ticker begins anew (prober_manager.go,
//     UpdatePodStatus);
//   - failureThreshold or successThreshold like results in a row change what the kubelet goes by. The row is forgotten only when the
//     probe itself decided: failures before a container ended by itself count for the next.
func Simulate(p Probes, c Course, ph Phase, until time.Duration) Outcome {
	s := &simulation{course: &c, phase: ph, out: Outcome{Ready: Never, Killed: Never}}
	s.startup = newWorker(p.Startup, evidence.ByStartup, ph.Startup, ph.CarriedStartup)
	s.liveness = newWorker(p.Liveness, evidence.ByLiveness, ph.Liveness, ph.CarriedLiveness)
	s.readiness = newWorker(p.Readiness, "", 0, 0)
	if p.Startup != nil {
		s.out.Started = Never
	}
	if p.Readiness == nil && p.Startup == nil {
		s.out.Ready = 0
	}
	if c.Ends > 0 {
		until = min(until, c.Ends)
	}
	for {
		w := s.soonest()
		if w == nil || w.next > until {
			return s.out
		}
		if s.step(w); s.out.Killed != Never {
			return s.out
		}
	}
}

func newWorker(p *corev1.Probe, by evidence.Orderer, phase time.Duration, carried int) *worker {
	w := &worker{spec: p, by: by, base: phase, next: phase, fails: carried > 0, run: carried}
	if p == nil {
		w.next = Never
	}
	return w
}

type simulation struct {
	course                       *Course
	phase                        Phase
	startup, liveness, readiness *worker
	out                          Outcome
}

func (s *simulation) soonest() *worker {
	all := []*worker{s.startup, s.liveness, s.readiness}
	w := slices.MinFunc(all, func(a, b *worker) int { return int(min(max(a.next-b.next, -1), 1)) })
	if w.next == Never {
		return nil
	}
	return w
}

// step lets a worker do what is due.
func (s *simulation) step(w *worker) {
	at := w.next
	if w.pending {
		w.pending = false
		s.result(w, at)
		w.wait(w.asked, at)
		s.skip(w)
		return
	}
	second := (at + s.phase.Second).Truncate(time.Second)
	gated := w == s.startup && s.out.Started != Never || w != s.startup && s.out.Started == Never
	if second < seconds(w.spec.InitialDelaySeconds) || gated {
		w.wait(at, at)
		return
	}
	from := s.course.Lives
	if w == s.readiness {
		from = s.course.Ready
	}
	ok, took := s.course.answer(w.spec, from, at)
	w.pending, w.asked, w.ok, w.next = true, at, ok, at+took
}

// wait sets when the worker looks next that looked at one time and was done at another.
func (w *worker) wait(asked, done time.Duration) {
	period := seconds(w.spec.PeriodSeconds)
	before := int64((asked - w.base) / period)
	w.next = w.base + time.Duration(before+1)*period
	if int64((done-w.base)/period) > before { // a tick came meanwhile
		w.next = done
	}
}

// skip passes over the ticks at which nothing can change: a container that answers well goes on to do so.
func (s *simulation) skip(w *worker) {
	switch change := s.course.change(w.asked); {
	case w == s.startup && s.out.Started != Never:
		w.next = Never
	case w.fails || w.run < int(w.spec.SuccessThreshold):
	case change == Never:
		w.next = Never
	default:
		period := seconds(w.spec.PeriodSeconds)
		w.next += time.Duration(max(int64((change-w.next)/period)-1, 0)) * period
	}
}

// result counts one.
func (s *simulation) result(w *worker, at time.Duration) {
	if w.fails == !w.ok && w.run > 0 {
		w.run++
	} else {
		w.fails, w.run = !w.ok, 1
	}
	if w.fails && w.run < int(w.spec.FailureThreshold) || !w.fails && w.run < int(w.spec.SuccessThreshold) {
		return
	}
	before := w.holds
	w.holds = w.ok
	switch {
	case w == s.readiness:
		if w.ok {
			s.out.Ready = min(s.out.Ready, at)
		} else if before {
			s.out.Unready++
		}
	case !w.ok:
		s.out.Killed, s.out.By = at, w.by
	case w == s.startup:
		s.out.Started = at
		s.begin(at)
	}
}

// begin is that the container counts as started.
func (s *simulation) begin(at time.Duration) {
	if s.readiness.spec == nil {
		s.out.Ready = at
		return
	}
	s.readiness.base, s.readiness.next = at, at
}
