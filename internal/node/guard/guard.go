// SPDX-License-Identifier: Apache-2.0

// Package guard runs the goroutines of a room so that a panic in one of them is an error of that room, and not the end of the agent.
// No room starts a goroutine but by it.
package guard

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// A PanicError is what a function panicked with.
type PanicError struct {
	Value any
	Stack []byte
}

// Error says what happened.
func (p *PanicError) Error() string { return fmt.Sprintf("it failed: %v", p.Value) }

// Do calls a function. If it panics, that is its error.
func Do(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return f()
}

// Go starts a function that nobody waits for. If it fails or panics, failed is given the error.
func Go(f func() error, failed func(error)) {
	go func() {
		if err := Do(f); err != nil {
			failed(err)
		}
	}()
}

// After calls a function later. If it panics, failed is given the error.
func After(d time.Duration, f func(), failed func(error)) *time.Timer {
	return time.AfterFunc(d, func() {
		if err := Do(func() error { f(); return nil }); err != nil {
			failed(err)
		}
	})
}

// A Group are goroutines that belong together: when one of them fails or panics, the context of all ends.
type Group struct {
	stop context.CancelCauseFunc
	wait sync.WaitGroup
	once sync.Once
	err  error
}

// NewGroup makes a group, and the context for what runs in it.
func NewGroup(ctx context.Context) (*Group, context.Context) {
	ctx, stop := context.WithCancelCause(ctx)
	return &Group{stop: stop}, ctx
}

// Go starts a function.
func (g *Group) Go(f func() error) {
	g.wait.Go(func() { g.Fail(Do(f)) })
}

// Fail ends the context of all with an error, unless that is nil.
func (g *Group) Fail(err error) {
	if err != nil {
		g.once.Do(func() {
			g.err = err
			g.stop(err)
		})
	}
}

// Stop ends the context of all.
func (g *Group) Stop() { g.stop(context.Canceled) }

// Wait returns when all have ended, with the first error.
func (g *Group) Wait() error {
	g.wait.Wait()
	g.stop(context.Canceled)
	g.once.Do(func() {}) // a Fail that comes later is nobody's
	return g.err
}
