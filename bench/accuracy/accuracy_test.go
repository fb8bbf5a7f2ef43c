// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

// The bars that every change must hold, in per cent and in numbers of recordings.
const (
	leastFirst, leastThree, mostAlarms = 97, 99, 1
	leastFaults, leastBenign           = 90, 25
)

// TestAccuracy diagnoses every recording of the lab with the whole rule set.
func TestAccuracy(t *testing.T) {
	trials, err := measure("recorded")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range trials {
		if x.wrong() {
			t.Log(x)
		}
	}
	s := sum(trials)
	if first, three := percent(s.first, s.faults), percent(s.three, s.faults); first < leastFirst || three < leastThree {
		t.Errorf("top-1 is %.1f %%, at least %d; top-3 is %.1f %%, at least %d", first, leastFirst, three, leastThree)
	}
	if alarms := percent(s.alarms, s.benign); alarms > mostAlarms {
		t.Errorf("%.1f %% false alarms, at most %d", alarms, mostAlarms)
	}
	if s.grounded != s.facts {
		t.Errorf("%d of %d facts are found again", s.grounded, s.facts)
	}
	if s.faults < leastFaults || s.benign < leastBenign {
		t.Errorf("%d faults and %d benign recordings, at least %d and %d", s.faults, s.benign, leastFaults, leastBenign)
	}
}
