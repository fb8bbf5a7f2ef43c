// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

const (
	// representatives is how many of those that are alike are captured while many wait.
	representatives = 3
	// few is how many may be due before only representatives are captured.
	few = 16
	// stale is how old the verdict of a representative may be.
	stale = 5 * time.Minute
)

// A likeness is what deaths, or pods in trouble, have in common as far as the status tells.
type likeness struct {
	rule   string // of the provisional verdict
	thing  evidence.Ref
	exit   int
	reason string
}

// A crowd knows of what is alike how many were captured, and what was found. Its methods may be called from many goroutines.
type crowd struct {
	mu     sync.Mutex
	groups map[likeness]*alike
}

// An alike is what is known of a likeness.
type alike struct {
	begun, ended int // captures of representatives
	findings     []representative
	since        time.Time // of the first of them
}

// A representative is one that was captured.
type representative struct {
	of      evidence.Ref
	verdict history.Verdict // without report and bundle
}

// representativeOf returns what the last of some deaths came to.
func representativeOf(deaths []unsettled) representative {
	last := deaths[len(deaths)-1]
	v := *last.Verdict
	v.Report, v.Bundle = nil, nil
	return representative{last.Of, v}
}

func newCrowd() *crowd { return &crowd{groups: map[likeness]*alike{}} }

// A choice is what to do with one of many.
type choice int

const (
	captureIt  choice = iota
	waitForIt         // its representatives are being captured
	likeOthers        // take the verdict of its representatives
)

// choose decides whether one is captured, as all are while few wait; it is counted as a representative then, until learn or failed
// is called.
func (c *crowd) choose(l likeness, crowded bool, now time.Time) (choice, representative) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[l]
	if g == nil || now.Sub(g.since) > stale {
		g = &alike{since: now}
		c.groups[l] = g
	}
	switch {
	case !crowded || g.begun < representatives:
		g.begun++
		return captureIt, representative{}
	case g.ended == 0:
		return waitForIt, representative{}
	}
	return likeOthers, g.verdict()
}

// verdict returns what most representatives came to, and of those the last.
func (g *alike) verdict() representative {
	votes, best := map[[2]any]int{}, g.findings[len(g.findings)-1]
	for _, f := range g.findings {
		key := [2]any{f.verdict.Rule, f.verdict.Thing}
		if votes[key]++; votes[key] >= votes[[2]any{best.verdict.Rule, best.verdict.Thing}] {
			best = f
		}
	}
	return best
}

// learn notes what became of a capture.
func (c *crowd) learn(l likeness, found representative, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[l]
	if g == nil {
		g = &alike{since: now}
		c.groups[l] = g
	}
	g.ended++
	if g.findings = append(g.findings, found); len(g.findings) > representatives {
		g.findings = g.findings[1:]
	}
}

// failed lets another one be captured instead.
func (c *crowd) failed(l likeness) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.groups[l]; g != nil && g.begun > 0 {
		g.begun--
	}
}

// knows tells whether one like it was captured.
func (c *crowd) knows(l likeness) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[l]
	return g != nil && g.ended > 0
}

// disperse forgets what is stale.
func (c *crowd) disperse(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l, g := range c.groups {
		if now.Sub(g.since) > stale {
			delete(c.groups, l)
		}
	}
}
