// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"fmt"
	"testing"

	"github.com/kubeinquest/inquest/bench/advise/profile"
	"github.com/kubeinquest/inquest/internal/advise/probe"
)

// TestRecorded: of the workloads whose starts were recorded in the lab, what is proposed after one half of the attempts ends none
// of the other half that became healthy, by when these say that they listened, and notices a hang within twice the time.
func TestRecorded(t *testing.T) {
	all, err := profile.Recordings()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Errorf("%d workloads are recorded, and the bar asks for 20", len(all))
	}
	for _, r := range all {
		starts, truth := r.Halves()
		for half := range starts {
			t.Run(fmt.Sprintf("%s/%d", r.Name, half), func(t *testing.T) {
				a := profile.Advise(r.Present(), starts[half])
				t.Logf("%s\nnow      %+v\nproposed %+v\n%q", probe.Basis(a.Tally), a.Before, a.After, a.Reasons)
				if a.Enough != "" {
					t.Error(a.Enough)
				}
				faults, _ := profile.Faults(&a, starts[1-half], truth[1-half])
				for _, f := range faults {
					t.Error(f)
				}
			})
		}
	}
}
