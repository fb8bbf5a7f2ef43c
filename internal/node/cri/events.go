// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
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
	wake  chan struct{} // holds one: there is something to look at
	again chan struct{} // holds one: the connection is new
	pods  map[string]bool
	all   bool
	ended []condition
	heard bool // there were some since that was last asked
	open  bool // they come
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
	select {
	case e.again <- struct{}{}:
	default:
	}
}

// take returns what was noted, and forgets it.
func (e *events) take(h *hints) (pods []string, all bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for uid := range e.pods {
		pods = append(pods, uid)
	}
	all = e.all
	clear(e.pods)
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
	return pods, all
}

// listen reads events until ctx ends, where the runtime has them.
func (r *Reader) listen(ctx context.Context) {
	if r.o.NoEvents {
		return
	}
	rest := eventRest
	for ctx.Err() == nil {
		got, err := r.stream(ctx)
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
		case <-r.events.again:
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
	err = own.stream(ctx, "GetContainerEvents", func(data []byte) {
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
	Dropped uint64 // containers that were not taken because there are too many
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
