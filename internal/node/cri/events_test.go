// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"testing"
	"time"
)

// TestAsk: however much happens in containers that are not known, their pods are looked at ten times a second at most, and never all.
func TestAsk(t *testing.T) {
	e, now := newEvents(), time.Now()
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {askEach / 2, 0}, {askEach, 1}} {
		e.ask("a", now.Add(step.after))
		if pods, _, all := e.take(new(hints)); len(pods) != step.want || all {
			t.Errorf("after %s %q are looked at, all %t: expected %d", step.after, pods, all, step.want)
		}
	}
	for i := range 10 * mostPods {
		e.ask(fmt.Sprint(i), now.Add(2*askEach))
	}
	if pods, _, all := e.take(new(hints)); len(pods) != mostPods || all {
		t.Errorf("%d are looked at, all %t", len(pods), all)
	}
}
