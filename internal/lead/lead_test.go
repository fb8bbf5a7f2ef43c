// SPDX-License-Identifier: Apache-2.0

package lead

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

const duration = 15 * time.Second

// A server keeps one Lease with optimistic locking. Who is cut off from it waits until his patience is over.
type server struct {
	coordinationclient.LeaseInterface
	me     string
	shared *shared
}

type shared struct {
	mu    sync.Mutex
	lease *coordinationv1.Lease
	cut   map[string]bool
	terms map[int64]string // who acted in which
	now   string           // who acts
	twice []string
}

func (s server) Leases(string) coordinationclient.LeaseInterface { return s }

var resource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

func (s server) ask(ctx context.Context, answer func() (*coordinationv1.Lease, error)) (*coordinationv1.Lease, error) {
	s.shared.mu.Lock()
	cut := s.shared.cut[s.me]
	s.shared.mu.Unlock()
	if cut {
		ctx, cancel := context.WithTimeout(ctx, Patience(duration))
		defer cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	lease, err := answer()
	return lease.DeepCopy(), err
}

func (s server) Get(ctx context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	return s.ask(ctx, func() (*coordinationv1.Lease, error) {
		if s.shared.lease == nil {
			return nil, apierrors.NewNotFound(resource, name)
		}
		return s.shared.lease, nil
	})
}

func (s server) Create(ctx context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return s.ask(ctx, func() (*coordinationv1.Lease, error) {
		if s.shared.lease != nil {
			return nil, apierrors.NewAlreadyExists(resource, lease.Name)
		}
		s.shared.lease = lease.DeepCopy()
		s.shared.lease.ResourceVersion, s.shared.lease.CreationTimestamp = "1", metav1.Now()
		return s.shared.lease, nil
	})
}

func (s server) Update(ctx context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return s.ask(ctx, func() (*coordinationv1.Lease, error) {
		if s.shared.lease == nil || s.shared.lease.ResourceVersion != lease.ResourceVersion {
			return nil, apierrors.NewConflict(resource, lease.Name, errors.New("it changed"))
		}
		s.shared.lease = lease.DeepCopy()
		s.shared.lease.ResourceVersion += "1"
		return s.shared.lease, nil
	})
}

func (s *shared) seat(me string) *Seat {
	return &Seat{Leases: server{me: me, shared: s}, Namespace: "inquest", Name: "seat", Me: me, Duration: duration, Log: slog.New(slog.DiscardHandler)}
}

// act notes who acts, until the turn ends or what is given ends it.
func (s *shared) act(me string, end <-chan error) func(context.Context, int64) error {
	return func(ctx context.Context, term int64) error {
		s.mu.Lock()
		if before := s.terms[term]; s.now != "" || before != "" {
			s.twice = append(s.twice, fmt.Sprintf("%s acts in term %d, which %s had, beside %s", me, term, before, s.now))
		}
		s.now, s.terms[term] = me, me
		s.mu.Unlock()
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case err = <-end:
		}
		s.mu.Lock()
		s.now = ""
		s.mu.Unlock()
		return err
	}
}

func (s *shared) acting() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// reach says whether somebody reaches the API server.
func (s *shared) reach(me string, does bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut[me] = !does
}

// until waits for a while of the bubble's time for something to be.
func until(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	for range within / (100 * time.Millisecond) {
		pause := time.NewTimer(100 * time.Millisecond)
		<-pause.C
		if synctest.Wait(); is() {
			return
		}
	}
	t.Fatalf("within %s there is no %s", within, what)
}

// A crew are replicas that run, by their names.
type crew struct {
	*shared
	t       *testing.T
	ends    map[string]chan error // a turn ends by what is sent
	stops   map[string]func()
	running sync.WaitGroup
}

func (c *crew) start(me string) {
	ctx, stop := context.WithCancel(c.t.Context())
	end, seat := make(chan error), c.seat(me)
	c.ends[me], c.stops[me] = end, stop
	c.running.Go(func() {
		if err := seat.Run(ctx, c.act(me, end)); !errors.Is(err, context.Canceled) {
			c.t.Errorf("%s ends with %v", me, err)
		}
		if seat.Leading() {
			c.t.Errorf("%s leads after its end", me)
		}
	})
}

func (c *crew) end() {
	for _, stop := range c.stops {
		stop()
	}
	c.running.Wait()
}

// round takes the one that acts away, each time in another way, and waits for the next.
func (c *crew) round(n int) {
	c.t.Helper()
	until(c.t, duration+5*time.Second, "leader", func() bool { return c.acting() != "" })
	was := c.acting()
	switch n % 3 {
	case 0: // it is stopped, and another one comes in its place
		c.stops[was]()
		until(c.t, 5*time.Second, "leader that follows one who gave the seat up", func() bool { return c.acting() != was && c.acting() != "" })
		c.start(fmt.Sprint(was[:1], n+1))
	case 1: // it cannot go on
		c.ends[was] <- errors.New("the database is away")
		until(c.t, 5*time.Second, "leader that follows one who could not go on", func() bool { return c.acting() != "" })
	case 2: // it does not reach the API server
		c.reach(was, false)
		until(c.t, duration-time.Second, "end of a turn that is not renewed", func() bool { return c.acting() == "" })
		until(c.t, duration+5*time.Second, "leader that follows one who was cut off", func() bool { return c.acting() != "" })
		c.reach(was, true)
	}
}

// TestTurns has three replicas of which the one that acts is stopped, fails, or is cut off, again and again.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crew{shared: &shared{cut: map[string]bool{}, terms: map[int64]string{}}, t: t, ends: map[string]chan error{}, stops: map[string]func(){}}
		for _, me := range []string{"a0", "b0", "c0"} {
			c.start(me)
		}
		for n := range 12 {
			c.round(n)
		}
		c.end()
		if len(c.twice) > 0 {
			t.Error(c.twice)
		}
		if len(c.terms) < 12 {
			t.Errorf("only %d terms", len(c.terms))
		}
	})
}

// TestTermsGrow: also when somebody deletes the Lease.
func TestTermsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shared{cut: map[string]bool{}, terms: map[int64]string{}}
		last := int64(0)
		for range 3 {
			ctx, stop := context.WithCancel(t.Context())
			err := s.seat("a").Run(ctx, func(_ context.Context, term int64) error {
				if term <= last {
					t.Errorf("term %d follows %d", term, last)
				}
				last = term
				stop()
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if holder := s.lease.Spec.HolderIdentity; holder == nil || *holder != "" {
				t.Errorf("the seat was not given up: %v", holder)
			}
			s.lease = nil
			pause := time.NewTimer(time.Second)
			<-pause.C
		}
	})
}
