// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// samples are the memory of a process, over time.
type samples struct {
	mu           sync.Mutex
	hours, bytes []float64
}

// sample takes one each second until the context ends.
func (s *samples) sample(ctx context.Context, p *process) {
	began := time.Now()
	for ctx.Err() == nil {
		s.mu.Lock()
		s.hours, s.bytes = append(s.hours, time.Since(began).Hours()), append(s.bytes, p.memory("VmRSS"))
		s.mu.Unlock()
		pause(ctx, time.Second)
	}
}

// slope is how memory grows, in bytes for each hour, after the first third; and how far from that the truth may be, as the scatter
// of ten parts about the line tells.
func (s *samples) slope() (slope, within float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, y := s.hours[len(s.hours)/3:], s.bytes[len(s.bytes)/3:]
	const parts = 10
	if len(x) < 2*parts {
		return math.NaN(), math.NaN()
	}
	var mx, my []float64
	for i := range parts {
		a, b := i*len(x)/parts, (i+1)*len(x)/parts
		mx, my = append(mx, mean(x[a:b])), append(my, mean(y[a:b]))
	}
	slope, base := line(mx, my)
	var rest, spread float64
	for i := range mx {
		d := my[i] - base - slope*mx[i]
		rest, spread = rest+d*d, spread+(mx[i]-mean(mx))*(mx[i]-mean(mx))
	}
	return slope, 2 * math.Sqrt(rest/(parts-2)/spread)
}

func mean(all []float64) float64 {
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	return sum / float64(len(all))
}

// ground makes the pods and a recorder that is in step with them.
func (b *bench) ground(ctx context.Context, env ...string) (*stage, error) {
	w, err := newWorld(ctx, b.plane.client, b.nodes)
	if err != nil {
		return nil, err
	}
	if err := w.grow(ctx, b.pods); err != nil {
		return nil, err
	}
	return b.stage(ctx, w, 20*time.Millisecond, env...)
}

// load has pods updated for long, some of which tell of a death and some of which are replaced.
func (b *bench) load(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := b.ground(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	rss := &samples{}
	go rss.sample(ctx, s.process)
	before, began := s.cpu(), time.Now()
	dying := int(b.rate / b.deaths) // each so many-th update
	p := pace(ctx, b.rate, int(b.rate*60*b.minutes), func(i int) error {
		at := s.pods[i*7919%len(s.pods)]
		switch {
		case i%dying == 0:
			return s.die(ctx, at, i/dying)
		case i%int(b.rate) == 1:
			return s.replace(ctx, at)
		}
		return s.beat(ctx, at)
	})
	b.note("%s; in %.1f minutes the recorder took %.0f s of the processor; load average %s", p, time.Since(began).Minutes(), s.cpu()-before, loadAverage())
	slope, within := rss.slope()
	if err := s.settle(ctx, time.Minute); err != nil {
		return err
	}
	if err := b.account(s, 1); err != nil {
		return err
	}
	settled, err := s.settledDeaths(ctx)
	b.note("memory: %.1f MiB at last, %.1f MiB at most; it grows by %.2f ± %.2f MiB/h; %d verdicts are final", s.memory("VmRSS")/mib, s.memory("VmHWM")/mib, slope/mib, within/mib, settled)
	b.bar("growth of memory, MiB in an hour", slope/mib, 1, "MiB/h")
	return err
}

// account compares the history with the truth, and prints how long verdicts took: as the bar says, at most so many seconds.
func (b *bench) account(s *stage, most float64) error {
	lost, invented, bare, err := s.compare()
	if err != nil {
		return err
	}
	_, ours, lagErr := s.lags()
	b.note("%d deaths in the ledger of a watch of its own; %d of which only the number is known", len(s.truth.ended), bare)
	b.bar("deaths that are not in the history", float64(lost), 0, "deaths")
	b.bar("deaths in the history that were none", float64(invented), 0, "deaths")
	if len(ours) > 0 {
		b.note("after the acknowledgement a verdict can be read: p50 %.0f, p90 %.0f, p99 %.0f, at most %.0f ms", at(ours, 50), at(ours, 90), at(ours, 99), at(ours, 100))
		b.bar("p99 of that", at(ours, 99)/1000, most, "s")
	}
	if lagErr != nil && bare == 0 {
		return lagErr
	}
	return nil
}

// burst has three quarters of the pods fail within a minute, as when a twentieth of the nodes of a large cluster is lost.
func (b *bench) burst(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := b.ground(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	n := b.pods * 3 / 4
	steady := s.memory("VmRSS")
	p := pace(ctx, float64(n)/60, n, func(i int) error { return s.die(ctx, s.pods[i], i/replicas) })
	over := time.Now()
	b.note("%s; load average %s", p, loadAverage())
	if err := s.settle(ctx, 5*time.Minute); err != nil {
		return err
	}
	recovered := time.Since(over)
	if err := b.account(s, 60); err != nil {
		return err
	}
	b.bar("seconds after the burst until all verdicts are there", recovered.Seconds(), 60, "s")
	for range 240 {
		settled, err := s.settledDeaths(ctx)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if settled >= n {
			break
		}
		pause(ctx, time.Second)
	}
	settled, err := s.settledDeaths(ctx)
	b.note("%d verdicts were final %.0f s after the burst; memory: %.1f MiB before, %.1f at most", settled, time.Since(over).Seconds(), steady/mib, s.memory("VmHWM")/mib)
	b.bar("memory, beside that before", s.memory("VmHWM")/steady, 2, "times")
	return err
}

// events writes fifty thousand Events in five minutes, a fiftieth of them of a quarter of a megabyte, while pods die.
func (b *bench) events(ctx context.Context) (err error) {
	const all, limit, heap = 50_000, 256, 160 // MiB
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if b.cage, err = newCage(limit * mib); err != nil {
		return err
	}
	s, err := b.ground(ctx, fmt.Sprintf("GOMEMLIMIT=%dMiB", heap))
	if err != nil {
		return errors.Join(err, b.cage.remove())
	}
	defer func() { err = errors.Join(err, s.close(), b.cage.remove()) }()
	long := strings.Repeat("sixteen letters ", 250<<10/16)
	var dying sync.WaitGroup
	dying.Go(func() {
		pace(ctx, b.deaths, int(b.deaths*300), func(i int) error { return s.die(ctx, s.pods[i], i) })
	})
	p := pace(ctx, all/300.0, all, func(i int) error { return s.happen(ctx, i, long) })
	dying.Wait()
	b.note("Events: %s; load average %s", p, loadAverage())
	if err := s.settle(ctx, time.Minute); err != nil {
		return err
	}
	pause(ctx, 10*time.Second)
	if err := b.account(s, 1); err != nil {
		return err
	}
	kept, err := s.number(ctx, "SELECT COUNT(*) FROM events")
	if err != nil {
		return err
	}
	dropped, err := s.dropped(ctx)
	b.note("%d Events are kept, %d are told as not kept", kept, dropped)
	b.bar("Events of which nothing is told", math.Abs(float64(all-p.failed-kept-dropped)), 0, "Events")
	most, kills, caged := b.cage.most()
	b.note("memory: %.1f MiB at last, of them %.1f of its own; %.1f MiB at most with what is cached of files, in a control group of %d with GOMEMLIMIT=%dMiB",
		s.memory("VmRSS")/mib, s.memory("RssAnon")/mib, float64(most)/mib, limit, heap)
	b.bar("times that the kernel killed it", float64(kills), 0, "times")
	return errors.Join(err, caged)
}

// happen writes an Event about a pod.
func (w *world) happen(ctx context.Context, i int, long string) error {
	p := w.pods[i*7919%len(w.pods)]
	ns, now := namespaceOf(p.number), metav1.Now()
	e := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprintf("%s.%x", p.name, i)},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: ns, Name: p.name, UID: types.UID("00000000-0000-0000-0000-000000000000"), APIVersion: "v1"},
		Reason:         "Unhealthy", Type: corev1.EventTypeWarning, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Message: long[:900], Source: corev1.EventSource{Component: "kubelet", Host: nodeName(i % w.nodes)},
	}
	if i%50 == 0 {
		e.Annotations = map[string]string{"example.com/dump": long}
	}
	_, err := w.client.CoreV1().Events(ns).Create(ctx, e, metav1.CreateOptions{})
	return err
}

// dropped is how many Events the history says it does not have.
func (r *recorder) dropped(ctx context.Context) (int, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT what FROM gaps")
	if err != nil {
		return 0, err
	}
	sum := 0
	for rows.Next() {
		var what string
		if err := rows.Scan(&what); err != nil {
			return 0, errors.Join(err, rows.Close())
		}
		n := 0
		if _, err := fmt.Sscanf(what, "%d Events", &n); err == nil {
			sum += n
		}
	}
	return sum, errors.Join(rows.Err(), rows.Close())
}
