// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"sync"
	"sync/atomic"
	"time"
)

// Figures tell how a recorder does. Numbers of what happened grow from the start of the process.
type Figures struct {
	InStep    bool          // all pods there are have been seen, and what becomes of them is heard
	Pods      int           // that are watched
	Queue     int           // things that wait for their capture, or to be looked at again
	Due       int           // of these: whose time has come
	Waiting   time.Duration // how long the one that is due for longest has been
	Fresh     int           // pods with news that are not in the history yet
	Lag       time.Duration // from when the last death was seen to when its first verdict could be
	Deaths    int64         // runs that were seen to have ended
	Missed    int64         // runs of which only the number is known
	Captures  int64         // that succeeded
	Failures  int64         // captures that did not
	Alike     int64         // deaths and troubles that were judged as their like, without a capture
	Dropped   int64         // what was not captured because too much waited
	Events    int64         // Kubernetes Events that were kept
	Broken    int64         // watches that broke off
	Gaps      int64         // that were noted
	Unwritten int64         // times that the history did not take what happened
}

// counters are what Figures are made of.
type counters struct {
	inStep                                                                              atomic.Bool
	deaf                                                                                sync.Map // namespaces, or all, of whose pods nothing is heard
	lag                                                                                 atomic.Int64
	deaths, missed, captures, failures, alike, dropped, events, broken, gaps, unwritten atomic.Int64
	recorder                                                                            atomic.Pointer[parts]
}

// parts are those of a recorder that is running.
type parts struct {
	ledger *Ledger
	queue  *queue[subject]
	fresh  lanes
}

func (c *counters) begin(r *Recorder) {
	c.inStep.Store(false)
	c.deaf.Clear()
	c.recorder.Store(&parts{r.ledger, r.queue, r.fresh})
}

// hears notes whether what is needed is heard of.
func (c *counters) hears(w watched, does bool) {
	switch {
	case !w.needed:
	case does:
		c.deaf.Delete(w.namespace)
	default:
		c.deaf.Store(w.namespace, true)
	}
}

// end lets go of a recorder that runs no more, which may be followed by another replica's: all that it knew of a cluster is a few hundred
// megabytes, and would be told of for ever.
func (c *counters) end() {
	c.inStep.Store(false)
	c.lag.Store(0)
	c.recorder.Store(nil)
}

// told counts what was committed with its first verdict.
func (c *counters) told(now time.Time, f fresh) {
	n := f.news
	c.deaths.Add(int64(len(n.Ended)))
	c.missed.Add(int64(len(n.Missed)))
	if len(n.Ended) > 0 {
		c.lag.Store(int64(now.Sub(f.seen)))
	}
}

// Figures returns how it does. It may be called at any time, from any goroutine.
func (r *Recorder) Figures() Figures {
	c := &r.counts
	hears := true
	c.deaf.Range(func(any, any) bool { hears = false; return false })
	f := Figures{
		InStep: c.inStep.Load() && hears, Lag: time.Duration(c.lag.Load()), Deaths: c.deaths.Load(), Missed: c.missed.Load(),
		Captures: c.captures.Load(), Failures: c.failures.Load(), Alike: c.alike.Load(), Dropped: c.dropped.Load(),
		Events: c.events.Load(), Broken: c.broken.Load(), Gaps: c.gaps.Load(), Unwritten: c.unwritten.Load(),
	}
	if p := c.recorder.Load(); p != nil {
		var since time.Time
		f.Pods, f.Fresh = p.ledger.Len(), p.fresh.waiting()
		if f.Queue, f.Due, since = p.queue.state(); !since.IsZero() {
			f.Waiting = r.Now().Sub(since)
		}
	}
	return f
}
