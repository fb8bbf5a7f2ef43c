// SPDX-License-Identifier: Apache-2.0

package resource_test

import (
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
		t.Run(m.Name, func(t *testing.T) {
			for seed := range uint64(seeds) {
				first, second := profile.Halves(m.Weeks(uint64(i)<<8 | seed))
				high, later := profile.High(first), profile.High(second)
				a := m.Sized(first, 4*high)
				if a.Memory != m.Want {
					t.Errorf("it is taken for %s", a.Memory)
				}
				if m.Want == resource.Leak {
					if a.Proposed != a.Now || a.Fix != nil {
						t.Errorf("a leak gets %+v", a.Proposed)
					}
					continue
				}
				limit := a.Proposed.LimitMemory
				if limit <= later || limit < high || a.Proposed.RequestMemory > limit {
					t.Errorf("limit %s, request %s; the peaks of the weeks are %s and %s", resource.Bytes(limit), resource.Bytes(a.Proposed.RequestMemory), resource.Bytes(high), resource.Bytes(later))
				}
				s, k := profile.Slack(limit, second), profile.Slack(1.15*high, second)
				t.Logf("limit %s for %s: slack %.2f, with the peak and 15%% %.2f", resource.Bytes(limit), resource.Bytes(later), s, k)
				ours, simple, n = ours+s, simple+k, n+1
			}
		})
	}
	if ours > simple {
		t.Errorf("mean slack %.3f, with the peak and 15%% %.3f", ours/n, simple/n)
	}
	t.Logf("mean slack %.3f, with the peak and 15%% %.3f", ours/n, simple/n)
}
