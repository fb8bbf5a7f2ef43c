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

	fails bool  // the last result was a failure
	run   int64 // how many in a row were like it
	holds bool  // the result that the kubelet goes by: success
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
//
// Ticks at which nothing can change are counted and not looked at: a period of a second has a few thousand million of them in the longest
// threshold that an API server takes.
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
	if s.until = min(until, farthest); c.Ends > 0 {
		s.until = min(s.until, c.Ends)
	}
	for {
		w := s.soonest()
		if w == nil || w.next > s.until {
			return s.out
		}
		if s.step(w); s.out.Killed != Never {
			return s.out
		}
	}
}

func newWorker(p *corev1.Probe, by evidence.Orderer, phase time.Duration, carried int) *worker {
	w := &worker{spec: p, by: by, base: phase, next: phase, fails: carried > 0, run: int64(carried)}
	if p == nil {
		w.next = Never
	}
	return w
}

type simulation struct {
	course                       *Course
	phase                        Phase
	startup, liveness, readiness *worker
	until                        time.Duration
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
		s.skip(w, at-w.asked)
		return
	}
	second := (at + s.phase.Second).Truncate(time.Second)
	switch delay := seconds(w.spec.InitialDelaySeconds); {
	case w == s.startup && s.out.Started != Never:
		w.next = Never
		return
	case w != s.startup && s.out.Started == Never: // nothing can change before the startup probe is looked at
		w.waitUntil(at, s.startup.next)
		return
	case second < delay:
		w.waitUntil(at, delay-s.phase.Second)
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

// waitUntil sets when the worker looks next that looked at one time and need not before another.
func (w *worker) waitUntil(at, then time.Duration) {
	if then == Never {
		w.next = Never
		return
	}
	period := seconds(w.spec.PeriodSeconds)
	if w.wait(at, at); then > w.next {
		late := int64((then - w.next + period - 1) / period) // ticks
		w.next += time.Duration(late) * period
	}
}

// skip passes over the tries that end as the last one did, which took so long, and that change nothing but their number.
func (s *simulation) skip(w *worker, took time.Duration) {
	change, period := s.course.change(w.asked), seconds(w.spec.PeriodSeconds)
	left := w.needs() - w.run - 1 // before the one that decides
	switch {
	case w == s.startup && s.out.Started != Never:
		w.next = Never
		return
	case left < 0 && change == Never:
		w.next = Never
		return
	case took < period && (w.next-w.base)%period != 0: // it is late, and will be less so
		return
	}
	each := max(period, took)
	tries := int64((s.until-w.next)/each) + 1
	if change != Never {
		tries = min(tries, int64((change-w.next)/each)-1)
	}
	if left >= 0 {
		tries = min(tries, left)
	}
	if tries > 0 {
		w.run += tries
		w.next += time.Duration(tries) * each
	}
}

// needs is how many results like the last one it takes in a row.
func (w *worker) needs() int64 {
	if w.fails {
		return int64(w.spec.FailureThreshold)
	}
	return int64(w.spec.SuccessThreshold)
}

// result counts one.
func (s *simulation) result(w *worker, at time.Duration) {
	if w.fails == !w.ok && w.run > 0 {
		w.run++
	} else {
		w.fails, w.run = !w.ok, 1
	}
	if w.run < w.needs() {
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
