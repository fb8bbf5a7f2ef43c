// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestDo(t *testing.T) {
	err := Do(func() error { panic("bad") })
	var p *PanicError
	if !errors.As(err, &p) || err.Error() != "it failed: bad" || !strings.Contains(string(p.Stack), "TestDo") {
		t.Errorf("a panic gives %v", err)
	}
	want := errors.New("no device")
	if err := Do(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("an error gives %v", err)
	}
}

func TestGo(t *testing.T) {
	said := make(chan error)
	Go(func() error { panic("bad") }, func(err error) { said <- err })
	if err := <-said; err == nil || err.Error() != "it failed: bad" {
		t.Errorf("it failed with %v", err)
	}
	After(0, func() { panic("late") }, func(err error) { said <- err })
	if err := <-said; err == nil || err.Error() != "it failed: late" {
		t.Errorf("what was to be done later failed with %v", err)
	}
}

// TestGroup: one that panics ends the others, and is why.
func TestGroup(t *testing.T) {
	g, ctx := NewGroup(t.Context())
	g.Go(func() error {
		<-ctx.Done()
		return ctx.Err()
	})
	g.Go(func() error { panic("bad") })
	if err := g.Wait(); err == nil || err.Error() != "it failed: bad" {
		t.Errorf("the group ended with %v", err)
	}
	g.Fail(errors.New("late"))
	g, ctx = NewGroup(t.Context())
	g.Go(func() error {
		<-ctx.Done()
		return nil
	})
	g.Stop()
	if err := g.Wait(); err != nil || !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("a group that is stopped ended with %v", err)
	}
}
