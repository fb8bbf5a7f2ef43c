// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"testing"
	"time"
)

// TestKilledAndUsedMore: a limit after a kill is above what was seen since, however few samples there are.
func TestKilledAndUsedMore(t *testing.T) {
	o := Subject{Container: container("", "", "", ""), Kills: []Kill{{At: zero, Limit: 100 * mib, Lived: 5 * time.Minute}}}
	o.Memory = []Series{{Began: zero, Samples: []Sample{{zero.Add(time.Hour), 400 * mib}}}}
	if a := Advise(o); a.Peak != 400*mib || a.Proposed.LimitMemory < 440*mib || a.Proposed.RequestMemory != 400*mib {
		t.Errorf("a peak of %s: %+v", Bytes(a.Peak), a.Proposed)
	}
}

// TestShortWithoutLimit: by a short record a request does not get less where there is no limit either.
func TestShortWithoutLimit(t *testing.T) {
	o := Subject{Container: container("512Mi", "", "", ""), Peaks: []Sample{{zero, 100 * mib}}, Watched: 2 * time.Hour}
	if a := Advise(o); a.Enough != "" || a.Proposed.RequestMemory != 512*mib || a.Proposed.LimitMemory < 512*mib {
		t.Errorf("%+v, %q", a.Proposed, a.Reasons)
	}
}
