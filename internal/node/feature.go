// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/guard"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	settled   = 2 * time.Second // a feature that has not failed by then works
	retrySoon = 5 * time.Second
	retryLate = 5 * time.Minute
	starting  = "it is starting"
	off       = "it is switched off"
)

// A feature is one source of evidence. run makes it anew and returns when it ends.
type feature struct {
	name string
	run  func(context.Context) error
}

// features keeps sources of evidence running, and knows of each why it does not.
type features struct {
	node string
	tell func(record.Entry)
	log  *slog.Logger
	now  func() time.Time

	mu    sync.Mutex
	why   map[string]string    // "" works
	since map[string]time.Time // it does not, as a gap has told
	times map[string]int       // it was begun
}

func newFeatures(node string, tell func(record.Entry), log *slog.Logger) *features {
	f := &features{node: node, tell: tell, log: log, now: time.Now, why: map[string]string{}, since: map[string]time.Time{}, times: map[string]int{}}
	for _, name := range allFeatures {
		f.why[name] = off
	}
	return f
}

// keep runs a feature until the context ends. What fails is tried again, soon at first and then rarer.
func (f *features) keep(ctx context.Context, of feature) {
	for wait := retrySoon; ; wait = min(2*wait, retryLate) {
		began := f.now()
		err := f.attempt(ctx, of)
		if ctx.Err() != nil {
			return
		}
		if f.now().Sub(began) > retryLate {
			wait = retrySoon
		}
		f.failed(of.name, err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// attempt runs a feature once. One that panics has failed, and takes no other with it.
func (f *features) attempt(ctx context.Context, of feature) error {
	turn := f.begin(of.name)
	works := guard.After(settled, func() { f.works(of.name, turn) }, func(err error) { f.log.Error("a feature that works", "err", err) })
	defer works.Stop()
	err := guard.Do(func() error { return of.run(ctx) })
	if p := new(guard.PanicError); errors.As(err, &p) {
		f.log.Error("a feature panics", "feature", of.name, "panic", p.Value, "stack", string(p.Stack))
	}
	if err == nil {
		err = errors.New("it ended")
	}
	return err
}

func (f *features) set(name, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.why[name] = why
}

// begin says which time it is that a feature begins. While one that failed is tried again, why it failed is still the answer.
func (f *features) begin(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since[name].IsZero() {
		f.why[name] = starting
	}
	f.times[name]++
	return f.times[name]
}

// works takes a feature for one that works, and tells how long it did not; unless the time that is meant is over.
func (f *features) works(name string, turn int) {
	f.mu.Lock()
	if f.times[name] != turn {
		f.mu.Unlock()
		return
	}
	since := f.since[name]
	f.why[name] = ""
	delete(f.since, name)
	f.mu.Unlock()
	if !since.IsZero() {
		f.log.Info("a feature works again", "feature", name)
		f.tell(f.gap(name, since, f.now(), "it did not work"))
	}
}

// failed tells once why a feature does not work.
func (f *features) failed(name string, err error) {
	f.mu.Lock()
	f.times[name]++
	f.why[name] = err.Error()
	_, told := f.since[name]
	if !told {
		f.since[name] = f.now()
	}
	f.mu.Unlock()
	if !told {
		f.log.Warn("a feature does not work", "feature", name, "err", err)
		f.tell(f.gap(name, f.now(), time.Time{}, err.Error()))
	}
}

func (f *features) gap(name string, from, to time.Time, why string) record.Entry {
	return record.Entry{Gap: &record.Gap{About: evidence.RefTo("Node", "", f.node), What: name, From: from.UTC(), To: to.UTC(), Why: why}}
}

// all says of each feature why it does not work.
func (f *features) all() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.why)
}

// ready says which feature has neither begun nor failed.
func (f *features) ready() error {
	for name, why := range f.all() {
		if why == starting {
			return fmt.Errorf("%s: %s", name, why)
		}
	}
	return nil
}
