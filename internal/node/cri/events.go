// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	mostPods  = 16  // with events at a time; if there are more, everything is listed
	mostHints = 256 // ends that events told of and no list has shown yet
	// eventRest and longestRest are how long to wait for a stream of events after one has ended, and noEvents after the runtime
	// said that it has none.
	eventRest, longestRest, noEvents = 100 * time.Millisecond, 30 * time.Second, 5 * time.Minute
)

// hints are ends of containers that only an event told of, because the container was removed at once.
type hints map[string]condition

// events gathers which pods to look at.
type events struct {
	mu    sync.Mutex
	wake  chan struct{}   // holds one: there is something to look at
	again []chan struct{} // of each who listens; holds one: the connection is new
	pods  map[string]bool
	tasks map[string]bool // containers whose pods are not known, which ended
	all   bool
	ended []condition
	asked map[string]bool // pods that were asked for since then
	since time.Time
	heard bool // there were some since that was last asked
	open  bool // they come
}

func newEvents() events {
	return events{
		wake: make(chan struct{}, 1), again: []chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}, pods: map[string]bool{}, tasks: map[string]bool{}, asked: map[string]bool{},
	}
}

// add notes an event. It never waits: the runtime waits for whoever reads its events.
func (e *events) add(what event) {
	e.mu.Lock()
	e.heard = true
	switch {
	case what.uid == "" || len(e.pods) >= mostPods:
		e.all = true
	default:
		e.pods[what.uid] = true
	}
	if len(e.ended) < mostHints {
		e.ended = append(e.ended, what.ended...)
	}
	e.mu.Unlock()
	e.ring()
}

// askEach is how often it may be asked for a pod, of which something is not known yet.
const askEach = 100 * time.Millisecond

// ask has a pod looked at, unless that was asked for a moment ago, or for many others.
func (e *events) ask(uid string, now time.Time) {
	e.mu.Lock()
	if now.Sub(e.since).Abs() >= askEach {
		clear(e.asked)
		e.since = now
	}
	enough := e.asked[uid] || len(e.asked) >= mostPods
	if !enough {
		e.asked[uid] = true
	}
	e.mu.Unlock()
	if !enough {
		e.add(event{uid: uid})
	}
}

// over notes that a container ended that was not told of.
func (e *events) over(id string) {
	e.mu.Lock()
	if len(e.tasks) >= mostPods {
		e.all = true
	} else {
		e.tasks[id] = true
	}
	e.mu.Unlock()
	e.ring()
}

// stir notes that something was told of besides, of which the lists will have more soon.
func (e *events) stir() {
	e.mu.Lock()
	e.heard = true
	e.mu.Unlock()
	e.ring()
}

// everything notes that events may have been lost.
func (e *events) everything() {
	e.mu.Lock()
	e.all = true
	e.mu.Unlock()
	e.ring()
}

// closed notes that events come no more, and may have been lost.
func (e *events) closed() {
	e.mu.Lock()
	e.all, e.open = true, false
	e.mu.Unlock()
	e.ring()
}

// opened notes that events come from now on, or soon.
func (e *events) opened() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open, e.heard = true, true
}

// silent tells whether events come and there were none since that was last asked.
func (e *events) silent() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	silent := e.open && !e.heard
	e.heard = false
	return silent
}

func (e *events) ring() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// restart notes that the connection is new, so that it may be worth to ask for events again.
func (e *events) restart() {
	for _, again := range e.again {
		select {
		case again <- struct{}{}:
		default:
		}
	}
}

// take returns what was noted, and forgets it.
func (e *events) take(h *hints) (pods, tasks []string, all bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pods, tasks, all = slices.Collect(maps.Keys(e.pods)), slices.Collect(maps.Keys(e.tasks)), e.all
	clear(e.pods)
	clear(e.tasks)
	e.all = false
	if *h == nil {
		*h = hints{}
	}
	for _, st := range e.ended {
		if len(*h) < mostHints {
			(*h)[st.id] = st
		}
	}
	e.ended = nil
	return pods, tasks, all
}

// listen reads one kind of events until ctx ends, where the runtime has them.
func listen(ctx context.Context, again <-chan struct{}, stream func(context.Context) (got bool, err error)) {
	rest := eventRest
	for ctx.Err() == nil {
		got, err := stream(ctx)
		switch {
		case codeOf(err) == unimplemented:
			rest = noEvents
		case got:
			rest = eventRest
		default:
			rest = min(2*rest, longestRest)
		}
		select {
		case <-ctx.Done():
		case <-again:
			rest = eventRest
		case <-time.After(rest):
		}
	}
}

// stream reads one stream of events to its end.
func (r *Reader) stream(ctx context.Context) (got bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	own := client{transport: r.client.transport}
	answer, err := own.invoke(ctx, "Version", nil)
	if err != nil {
		return false, err
	}
	name, version, err := readVersion(answer)
	if err != nil {
		return false, err
	}
	if !hasEvents(name, version) {
		return false, &statusError{unimplemented, "events are for one reader"}
	}
	r.events.opened()
	defer r.events.closed()
	err = own.stream(ctx, "GetContainerEvents", nil, func(data []byte) {
		got = true
		r.counts.add(func(c *Counts) { c.Events++ })
		what, err := readEvent(data)
		if err != nil {
			what = event{} // something happened
		}
		r.events.add(what)
	})
	return got, err
}

// hasEvents tells whether events may be asked for. Up to 1.7 containerd gives each event to one reader only, so that this one
// would take them from a kubelet that uses them (containerd issue 7318).
func hasEvents(name, version string) bool {
	version = strings.TrimPrefix(version, "v")
	return name != "containerd" || !strings.HasPrefix(version, "1.") && !strings.HasPrefix(version, "0.")
}

// Counts are what a Reader did and could not do.
type Counts struct {
	Lists   uint64 // complete lists, of all or of one pod
	Events  uint64 // that the runtime sent
	Ends    uint64 // of processes that it told of at once
	Dropped uint64 // containers and sandboxes that were not taken because there are too many
}

type counts struct {
	mu sync.Mutex
	Counts
}

func (c *counts) add(change func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.Counts)
}

// Counts returns what was counted so far.
func (r *Reader) Counts() Counts {
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	return r.counts.Counts
}
