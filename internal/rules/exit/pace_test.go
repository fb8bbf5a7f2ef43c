// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestPeriod(t *testing.T) {
	for _, test := range []struct {
		name string
		ends []time.Duration
		want time.Duration
	}{
		{"every half hour", []time.Duration{0, 30 * time.Minute, 61 * time.Minute, 90 * time.Minute}, 30 * time.Minute},
		{"in any order", []time.Duration{60 * time.Minute, 0, 30 * time.Minute}, 30 * time.Minute},
		{"two runs", []time.Duration{0, 30 * time.Minute}, 0},
		{"irregular", []time.Duration{0, 30 * time.Minute, 90 * time.Minute}, 0},
		{"back-off", []time.Duration{0, 20 * time.Second, 40 * time.Second}, 0},
	} {
		var runs []evidence.Attempt
		for _, end := range test.ends {
			runs = append(runs, evidence.Attempt{Finished: time.Unix(1e9, 0).Add(end)})
		}
		if got := period(runs); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestLastSaid(t *testing.T) {
	one, other := evidence.Log{Text: "start\n10:02:11 cannot reach db-7\n"}, evidence.Log{Text: "begin\n11:40:00 cannot reach db-12"}
	if lastSaid(one) != lastSaid(other) || lastSaid(one) == lastSaid(evidence.Log{Text: "cannot open file"}) {
		t.Errorf("%q and %q", lastSaid(one), lastSaid(other))
	}
}
