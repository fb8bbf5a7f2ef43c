// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// detect measures how soon a verdict is in the history.
func (b *bench) detect(ctx context.Context) (err error) {
	const patches, rate = 1000, 20
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w, err := newWorld(ctx, b.plane.client, 100)
	if err != nil {
		return err
	}
	if err := w.grow(ctx, 2*patches); err != nil {
		return err
	}
	s, err := b.stage(ctx, w, time.Millisecond)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	b.note("%s", pace(ctx, rate, patches, func(i int) error { return w.die(ctx, w.pods[i], i) }))
	if err := s.settle(ctx, time.Minute); err != nil {
		return err
	}
	bare, ours, err := s.lags()
	if err != nil {
		return err
	}
	b.note("after the acknowledgement: a bare watch hears p50 %.1f, p90 %.1f, p95 %.1f, p99 %.1f ms; the verdict is there p50 %.1f, p90 %.1f, p95 %.1f, p99 %.1f ms; load average %s",
		at(bare, 50), at(bare, 90), at(bare, 95), at(bare, 99), at(ours, 50), at(ours, 90), at(ours, 95), at(ours, 99), loadAverage())
	b.bar("p99 of detection, beside that of a bare watch", at(ours, 99)/at(bare, 99), 3, "times")
	return nil
}

// A stage is a recorder over a world, and what it is compared with.
type stage struct {
	*world
	*recorder
	truth *truth
	stop  context.CancelFunc
}

// stage starts the recorder, waits until it is in step, and follows its history.
func (b *bench) stage(ctx context.Context, w *world, often time.Duration, env ...string) (*stage, error) {
	r, err := b.record(ctx, env...)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	s := &stage{world: w, recorder: r, stop: stop}
	if s.truth, err = newTruth(ctx, w.client); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.inStep(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	go r.follow(ctx, often)
	return s, nil
}

func (s *stage) close() error {
	s.stop()
	return s.recorder.close()
}

// settle waits until every death that the truth knows is in the history.
func (s *stage) settle(ctx context.Context, most time.Duration) error {
	for end := time.Now().Add(most); time.Now().Before(end); pause(ctx, 20*time.Millisecond) {
		if err := errors.Join(ctx.Err(), s.alive()); err != nil {
			return err
		}
		if ended, err := s.truth.deaths(); err != nil || len(ended) >= len(s.acked) && s.seen() >= len(ended) {
			return err
		}
	}
	return nil // what is missing is counted
}

// lags returns, in milliseconds after the acknowledgement, when a bare watch heard of each death and when its verdict was in
// the history.
func (s *stage) lags() (bare, ours []float64, err error) {
	ended, err := s.truth.deaths()
	if err != nil {
		return nil, nil, err
	}
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	lost := 0
	for of, acked := range s.acked {
		heard, known := ended[of]
		seen, kept := s.visible[of]
		if !known || !kept {
			lost++
			continue
		}
		bare, ours = append(bare, ms(heard.Sub(acked))), append(ours, ms(seen.Sub(acked)))
	}
	if lost > 0 || len(bare) == 0 {
		err = fmt.Errorf("%d of %d deaths are not in the history with a verdict", lost, len(s.acked))
	}
	return bare, ours, errors.Join(err, s.failed)
}

func ms(d time.Duration) float64 { return float64(max(0, d).Microseconds()) / 1000 }

// at is a percentile.
func at(all []float64, percent int) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}

// compare counts the deaths of the truth that are not in the history, and those in the history that are not true. Those of which
// only the number is known are counted by themselves.
func (s *stage) compare() (lost, invented, bare int, err error) {
	ended, err := s.truth.deaths()
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	for of := range ended {
		if _, there := s.visible[of]; !there && !s.bare[of] {
			lost++
		}
	}
	for of := range maps.Keys(s.visible) {
		if _, is := ended[of]; !is {
			invented++
		}
	}
	return lost, invented, len(s.bare), errors.Join(err, s.failed)
}
