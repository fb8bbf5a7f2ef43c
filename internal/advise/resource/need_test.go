// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"strings"
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

// TestPeakUnsampled: a peak of a run of which most was not sampled is no page cache for sure, and one of a run of which half was is.
func TestPeakUnsampled(t *testing.T) {
	few := flat(100 * mib)
	few[0].Samples = few[0].Samples[:70]
	for i := range few[0].Samples {
		few[0].Samples[i].At = zero.Add(time.Duration(i) * time.Minute)
	}
	for watched, want := range map[time.Duration]struct {
		peak float64
		says string
	}{
		7 * day:       {400 * mib, "of which much may be page cache"},
		2 * time.Hour: {100 * mib, "which is page cache for the most part"},
	} {
		o := Subject{Container: container("100Mi", "512Mi", "", ""), Memory: few, Peaks: []Sample{{zero, 400 * mib}}, Watched: watched}
		if a := Advise(o); a.Peak != want.peak || a.Proposed.LimitMemory < want.peak || a.Proposed.LimitMemory > 1.1*want.peak || !strings.Contains(strings.Join(a.Reasons, "\n"), want.says) {
			t.Errorf("of %s: a peak of %s, %+v, %q", watched, Bytes(a.Peak), a.Proposed, a.Reasons)
		}
	}
}
