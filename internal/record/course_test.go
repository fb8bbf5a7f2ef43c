// SPDX-License-Identifier: Apache-2.0

package record

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCourse(t *testing.T) {
	until := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	steps := []Step{{until.Add(-590 * time.Second), 10240}, {until.Add(-5 * time.Second), 7}, {until, 0}}
	text := Course("working set in KiB", until, steps)
	if want := "working set in KiB, by seconds before: 590 10240, 5 7, 0 0"; text != want {
		t.Errorf("it reads %q, want %q", text, want)
	}
	if got := ReadCourse(until, text); !slices.Equal(got, steps) {
		t.Errorf("read again it is %v", got)
	}
	for text, want := range map[string]int{
		"": 0, "workingSetBytes 5": 0, "x, by seconds before: ": 0, "x, by seconds before: 1 2, NaN 3, -1 4, 5 NaN, 6 -7, 8, 9 +Inf, 1e300 1, 2 3": 2,
		"x, by seconds before: " + strings.Repeat("1 2, ", 100_000): mostSteps,
	} {
		if got := ReadCourse(until, text); len(got) != want {
			t.Errorf("of %.60q %d are read, want %d", text, len(got), want)
		}
	}
}
