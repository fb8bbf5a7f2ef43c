// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"testing"

	"github.com/kubeinquest/inquest/bench/advise/profile"
	"github.com/kubeinquest/inquest/internal/advise/probe"
)

// TestPrograms: of twenty programs what is proposed after 40 recorded starts, against how they were in truth. Where the present probes
// ended starts of which nobody can know how long they would have needed, the record after that shows more: within five rounds
// none is ended any more.
func TestPrograms(t *testing.T) {
	for i, p := range profile.Programs() {
		t.Run(p.Name, func(t *testing.T) {
			for round := range uint64(5) {
				starts, truth := p.Record(uint64(i)<<8 | round)
				a := profile.Advise(p.Present, starts)
				if a.Enough != "" {
					t.Fatal(a.Enough)
				}
				t.Logf("%s\nnow      %+v\nproposed %+v\n%q", probe.Basis(a.Tally), a.Before, a.After, a.Reasons)
				faults, _ := profile.Faults(&a, starts, truth)
				for _, f := range faults {
					t.Error(f)
				}
				if a.Tally.Cut == 0 {
					return
				}
				p.Present = a.Proposed
			}
			t.Error("after five rounds starts are still ended")
		})
	}
}
