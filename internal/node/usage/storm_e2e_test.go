// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package usage

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// TestRealStorm makes and removes control groups faster than any runtime does: each is told of, or counted as missed.
func TestRealStorm(t *testing.T) {
	p := newPen(t, "inquest-test/kubepods/burstable/pod"+uid)
	p.enable(p.container())
	parent := filepath.Join(cgroups, p.hierarchies()[0], p.container())
	var told sync.Map
	var missed atomic.Int64
	r, err := New(Options{
		Cgroup: cgroups, Below: "inquest-test", Node: node,
		Tell: func(e record.Entry) {
			if e.Gap != nil {
				missed.Add(e.Gap.Count)
			} else {
				told.Store(e.Fact.About.Attempt, true)
			}
		},
		Place: func(group string) (evidence.Ref, string, bool) {
			n, err := strconv.ParseInt(path.Base(group), 16, 64)
			return ref.InAttempt(int(n)), uid, err == nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- r.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for r.Counts().Dirs == 0 {
		<-time.After(time.Millisecond)
	}
	const runs = 1000
	for i := range runs {
		group := filepath.Join(parent, fmt.Sprintf("%064x", i))
		if err := os.Mkdir(group, 0o755); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(i%20) * time.Millisecond)
		if err := syscall.Rmdir(group); err != nil {
			t.Fatal(err)
		}
	}
	sum := func() (n int64) {
		told.Range(func(any, any) bool { n++; return true })
		return n
	}
	for range 500 {
		if sum()+missed.Load() < runs {
			<-time.After(10 * time.Millisecond)
		}
	}
	t.Logf("%d runs: %d told, %d missed and counted", runs, sum(), missed.Load())
	if sum()+missed.Load() != runs {
		t.Errorf("%d and %d of %d", sum(), missed.Load(), runs)
	}
}

// TestRealLastKill is a kill that nothing heard of before the group was gone: with v2 the pod's counter has it.
func TestRealLastKill(t *testing.T) {
	p := newPen(t, forms["cgroupfs"])
	if !p.v2 {
		return
	}
	facts := make(chan evidence.Fact, 100)
	now := time.Now()
	r, err := New(Options{
		Cgroup: cgroups, Below: "inquest-test", Node: node, Tell: func(e record.Entry) { facts <- *e.Fact },
		Place: func(string) (evidence.Ref, string, bool) { return ref, uid, true },
		Now:   func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	r.tick(now)
	p.limit(strconv.Itoa(64<<20), "-1")
	c := p.start("child")
	_ = c.cmd.Wait()
	if err := syscall.Rmdir(path.Join(cgroups, p.container())); err != nil {
		t.Fatal(err)
	}
	now = now.Add(5 * time.Second)
	r.tick(now)
	if f := wanted(t, facts, "memory.oom-kill"); f.Value != 1 {
		t.Errorf("got %v", f)
	}
	if f := wanted(t, facts, "memory.oom-kills"); f.Value != 1 {
		t.Errorf("got %v", f)
	}
}
