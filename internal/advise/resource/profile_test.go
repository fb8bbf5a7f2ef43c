// SPDX-License-Identifier: Apache-2.0

package resource_test

import (
	"fmt"
	"testing"

	"github.com/kubeinquest/inquest/bench/advise/profile"
	"github.com/kubeinquest/inquest/internal/advise/resource"
)

const seeds = 5 // of each sort of program

// TestMemories: what is proposed by the first week is not reached in the second, which for a leak is nothing; and it is no more above
// what is used, on average over all, than the peak and 15 % would be.
func TestMemories(t *testing.T) {
	var ours, simple, n float64
	for i, m := range profile.Memories() {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprintf("%s %d", m.Name, seed), func(t *testing.T) {
				first, second := profile.Halves(m.Weeks(uint64(i)<<8 | seed))
				a := m.Sized(first, 4*profile.High(first))
				if a.Memory != m.Want {
					t.Errorf("it is taken for %s", a.Memory)
				}
				if m.Want == resource.Leak {
					nothing(t, &a)
					return
				}
				suffices(t, &a, profile.High(first), profile.High(second))
				ours, simple, n = ours+profile.Slack(a.Proposed.LimitMemory, second), simple+profile.Slack(1.15*profile.High(first), second), n+1
			})
		}
	}
	if ours > simple {
		t.Errorf("mean slack %.3f, with the peak and 15%% %.3f", ours/n, simple/n)
	}
}

func nothing(t *testing.T, a *resource.Advice) {
	if a.Proposed != a.Now || a.Fix != nil {
		t.Errorf("a leak gets %+v", a.Proposed)
	}
}

func suffices(t *testing.T, a *resource.Advice, high, later float64) {
	limit, request := a.Proposed.LimitMemory, a.Proposed.RequestMemory
	if limit <= later || limit < high || request > limit {
		t.Errorf("limit %s, request %s; the peaks of the weeks are %s and %s", resource.Bytes(limit), resource.Bytes(request), resource.Bytes(high), resource.Bytes(later))
	}
}
