// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"
	"path"
	"sync"
	"time"
)

const (
	slowCall = 2 * time.Second // from here on a call is told of
	slowRest = time.Minute     // between two facts about slow calls
	maxHung  = 64              // calls that are known to hang at a time
)

// Bounds are the upper ends of the buckets of a Latency.
var Bounds = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

// A Latency is how long one call of CRI took so far.
type Latency struct {
	Call    string // "ListContainers"
	Count   uint64
	Errors  uint64
	Sum     time.Duration
	Buckets []uint64 // how many took at most so long, by Bounds: cumulative, as in a histogram of Prometheus
}

// calls measures calls.
type calls struct {
	mu   sync.Mutex
	list []Latency
}

func (c *calls) observe(name string, took time.Duration, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.of(name)
	l.Count++
	l.Sum += took
	if failed {
		l.Errors++
	}
	for i, b := range Bounds {
		if took <= b {
			l.Buckets[i]++
		}
	}
}

func (c *calls) of(name string) *Latency {
	for i := range c.list {
		if c.list[i].Call == name {
			return &c.list[i]
		}
	}
	c.list = append(c.list, Latency{Call: name, Buckets: make([]uint64, len(Bounds))})
	return &c.list[len(c.list)-1]
}

// Latencies returns how long the calls took, in the order of their first use.
func (r *Reader) Latencies() []Latency {
	r.calls.mu.Lock()
	defer r.calls.mu.Unlock()
	list := make([]Latency, len(r.calls.list))
	for i, l := range r.calls.list {
		l.Buckets = append([]uint64(nil), l.Buckets...)
		list[i] = l
	}
	return list
}

// call asks the runtime one thing, within the time limit, and tells what its way of answering says of it. The id is that of
// the container that is asked about, if it is one. The answer is good until the next call.
func (r *Reader) call(ctx context.Context, method, id string, request []byte) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	began := time.Now()
	answer, err := r.client.invoke(limited, method, request)
	took := time.Since(began)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.calls.observe(method, took, err != nil)
	r.judge(path.Join("cri", method, id), began, took, err)
	return answer, err
}

// judge tells what the time of an answer says of the runtime.
func (r *Reader) judge(where string, began time.Time, took time.Duration, err error) {
	since, hung := r.hung[where]
	switch code := codeOf(err); {
	case code == unavailable: // the link tells
	case code == deadlineExceeded:
		if hung || len(r.hung) >= maxHung {
			return
		}
		r.hung[where] = began
		r.fact("", r.node(), "runtime-hung", where, fmt.Sprintf("%s did not answer %s within %s", r.who(), where, r.o.Timeout), began, took.Seconds())
	case hung:
		delete(r.hung, where)
		now := began.Add(took)
		r.fact("", r.node(), "runtime-answers", where, fmt.Sprintf("%s answers %s again", r.who(), where), now, now.Sub(since).Seconds())
	case took >= slowCall && began.Sub(r.slow) >= slowRest:
		r.slow = began
		r.fact("", r.node(), "runtime-slow", where, fmt.Sprintf("%s took %s to answer %s", r.who(), took.Round(time.Millisecond), where), began, took.Seconds())
	}
}

// who names the runtime.
func (r *Reader) who() string {
	if r.version == "" {
		return "the runtime"
	}
	return r.version
}
