// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/node/cri"
	"github.com/kubeinquest/inquest/internal/record"
)

// TestLosses: what is left out becomes a gap when it begins, and again when it goes on for long, also of a room that began anew.
func TestLosses(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var told []string
	l := &ledger{before: map[string]int64{}, told: map[string]time.Time{}, looked: noon, tell: func(what string, from, to time.Time, why string) {
		told = append(told, fmt.Sprintf("%s %s-%s %s", what, from.Format("04"), to.Format("04"), why))
	}}
	for minute, count := range []int64{1: 0, 2: 3, 3: 5, 4: 5, 5: 5, 13: 6, 14: 0, 25: 2, 26: 2} {
		if minute > 0 && (minute <= 5 || minute == 13 || minute == 14 || minute >= 25) {
			l.look(noon.Add(time.Duration(minute)*time.Minute), []loss{{"logs", "refused", count}, {"logs", "failed", 0}})
		}
	}
	if diff := cmp.Diff([]string{"logs 01-02 refused", "logs 05-13 refused", "logs 14-25 refused"}, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a := &agent{}
	r, err := cri.New(cri.Options{Node: "n1", Tell: func(record.Entry) {}})
	if err != nil {
		t.Fatal(err)
	}
	a.runtime.Store(r)
	if list := a.losses(); list != nil {
		t.Errorf("without rooms that only count there are %v", list)
	}
}
