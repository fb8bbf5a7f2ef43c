// SPDX-License-Identifier: Apache-2.0

// Package lead has one of several replicas act, as a Lease says whose turn it is.
//
// A Lease alone keeps no two from acting at a time: a process that stood still believes, when it goes on, that its turn is not over.
// So each turn has a term, a number greater than those of all turns before; what is acted on has to refuse whoever comes with an
// earlier one.
package lead

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// A Seat is what replicas take turns on.
type Seat struct {
	Leases          coordinationclient.LeasesGetter
	Namespace, Name string        // of the Lease
	Me              string        // unlike that of any other process, of this replica's earlier ones too
	Duration        time.Duration // how long a turn lasts that is not renewed; it is renewed within two thirds of that
	Log             *slog.Logger

	mu      sync.Mutex
	leading bool
}

// Leading tells whether it is this process's turn, as far as it knows.
func (s *Seat) Leading() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leading
}

// Run takes turns until the context ends, and then gives the seat up. In each turn act runs, with a context that ends with the turn;
// another one begins after it has returned. An error of act ends the turn, so that another replica may try.
func (s *Seat) Run(ctx context.Context, act func(ctx context.Context, term int64) error) error {
	for ctx.Err() == nil {
		if err := s.turn(ctx, act); err != nil {
			return err
		}
		pause := time.NewTimer(s.retry())
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
	return ctx.Err()
}

// Patience is how long a client may wait for an answer about a Lease: longer, and a server that says nothing would cost more than one
// try to renew it.
func Patience(duration time.Duration) time.Duration { return duration / 3 }

func (s *Seat) retry() time.Duration { return s.Duration * 2 / 15 }

// turn waits for a turn and takes it. The turn is over for act as soon as it could not be renewed in time, before anything else is
// tried; and the seat is given up after act has returned.
func (s *Seat) turn(ctx context.Context, act func(ctx context.Context, term int64) error) error {
	seated, leave := context.WithCancel(ctx)
	defer leave()
	holding, give := context.WithCancel(context.WithoutCancel(ctx)) // the seat is kept until act has ended
	defer give()
	began := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}, Client: s.Leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: s.Me},
		},
		LeaseDuration: s.Duration, RenewDeadline: s.Duration * 2 / 3, RetryPeriod: s.retry(), Name: s.Name,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { close(began) }, OnStoppedLeading: leave},
	})
	if err != nil {
		return fmt.Errorf("take turns on the lease %s/%s: %w", s.Namespace, s.Name, err)
	}
	var electing sync.WaitGroup
	electing.Go(func() { elector.Run(holding) })
	select {
	case <-began:
		s.act(seated, act)
	case <-ctx.Done():
	}
	give()
	electing.Wait()
	if err := s.release(); err != nil {
		s.Log.Warn("the lease was not given up: others wait until it is over", "err", err)
	}
	return nil
}

// act has this process act in a term of its own.
func (s *Seat) act(ctx context.Context, act func(ctx context.Context, term int64) error) {
	term, err := s.term(ctx)
	if err != nil {
		s.Log.Error("the seat was taken, but not for which term", "err", err)
		return
	}
	s.Log.Info("this replica leads", "term", term, "as", s.Me)
	s.lead(true)
	err = act(ctx, term)
	s.lead(false)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Log.Error("this replica leads no more", "term", term, "err", err)
		return
	}
	s.Log.Info("this replica leads no more", "term", term)
}

func (s *Seat) lead(now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leading = now
}

// mostTurns are those that one Lease has seen: one each second for eleven days.
const mostTurns = 1_000_000

// term is that of the Lease as it is now: how often it changed hands, and, because somebody may delete it, when it was made.
func (s *Seat) term(ctx context.Context) (int64, error) {
	lease, err := s.Leases.Leases(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
	if err != nil {
		return 0, fmt.Errorf("read the lease %s/%s: %w", s.Namespace, s.Name, err)
	}
	if holder := lease.Spec.HolderIdentity; holder == nil || *holder != s.Me {
		return 0, fmt.Errorf("read the lease %s/%s: another replica has it by now", s.Namespace, s.Name)
	}
	turns := int64(0)
	if lease.Spec.LeaseTransitions != nil {
		turns = int64(*lease.Spec.LeaseTransitions)
	}
	return lease.CreationTimestamp.Unix()*mostTurns + turns%mostTurns, nil
}

// release gives the seat up, where this process has it.
func (s *Seat) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.retry())
	defer cancel()
	leases := s.Leases.Leases(s.Namespace)
	lease, err := leases.Get(ctx, s.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the lease: %w", err)
	}
	if holder := lease.Spec.HolderIdentity; holder == nil || *holder != s.Me {
		return nil
	}
	nobody, soon, now := "", int32(1), metav1.NowMicro()
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &nobody, &soon, &now
	if _, err := leases.Update(ctx, lease, metav1.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("give up the lease: %w", err)
	}
	return nil
}
