// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	mostPods  = 16  // with events at a time; if there are more, everything is listed
	mostHints = 256 // ends that events told of and no list has shown yet
	// eventRest and longestRest are how long to wait for a stream of events after one has ended, and noEvents after the runtime
	// said that it has none.
	eventRest, longestRest, noEvents = 100 * time.Millisecond, 30 * time.Second, 5 * time.Minute
)

// hints are ends of containers that only an event told of, because the container was removed at once.
type hints map[string]*runtimeapi.ContainerStatus

// events gathers which pods to look at.
type events struct {
	mu    sync.Mutex
	wake  chan struct{} // holds one
	pods  map[string]bool
	all   bool
	ended []*runtimeapi.ContainerStatus
}

// add notes an event. It never waits: the runtime waits for whoever reads its events.
func (e *events) add(event *runtimeapi.ContainerEventResponse) {
	e.mu.Lock()
	switch uid := event.GetPodSandboxStatus().GetMetadata().GetUid(); {
	case uid == "" || len(e.pods) >= mostPods:
		e.all = true
	default:
		e.pods[uid] = true
	}
	for _, st := range event.GetContainersStatuses() {
		if st.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED && len(e.ended) < mostHints {
			e.ended = append(e.ended, st)
		}
	}
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

func (e *events) ring() {
	select {
	case e.wake <- struct{}{}:
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
			(*h)[st.GetId()] = st
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
		case status.Code(err) == codes.Unimplemented:
			rest = noEvents
		case got:
			rest = eventRest
		default:
			rest = min(2*rest, longestRest)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

// stream reads one stream of events to its end.
func (r *Reader) stream(ctx context.Context) (got bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := runtimeapi.NewRuntimeServiceClient(r.conn)
	v, err := client.Version(ctx, &runtimeapi.VersionRequest{})
	if err != nil {
		return false, err
	}
	if !hasEvents(v) {
		return false, status.Error(codes.Unimplemented, "events are for one reader")
	}
	s, err := client.GetContainerEvents(ctx, &runtimeapi.GetEventsRequest{})
	if err != nil {
		return false, err
	}
	r.events.everything()
	for {
		event, err := s.Recv()
		if err != nil {
			r.events.everything()
			return got, err
		}
		got = true
		r.counts.add(func(c *Counts) { c.Events++ })
		r.events.add(event)
	}
}

// hasEvents tells whether events may be asked for. Up to 1.7 containerd gives each event to one reader only, so that this one
// would take them from a kubelet that uses them (containerd issue 7318).
func hasEvents(v *runtimeapi.VersionResponse) bool {
	version := strings.TrimPrefix(v.GetRuntimeVersion(), "v")
	return v.GetRuntimeName() != "containerd" || !strings.HasPrefix(version, "1.") && !strings.HasPrefix(version, "0.")
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
