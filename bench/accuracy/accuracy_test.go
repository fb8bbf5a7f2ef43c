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

// leastMemory is the bar for ends for want of memory, in per cent of precision and of recall, of each class by itself.
const leastMemory = 98

// TestMemoryMatrix tells ends for want of memory apart.
func TestMemoryMatrix(t *testing.T) {
	m, err := confuse("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.samples {
		if s.is != s.told {
			t.Log(s)
		}
	}
	for _, name := range names() {
		is, told, both := m.of(name)
		if is < 2 {
			t.Errorf("%s has %d samples, at least 2", name, is)
		}
		if precision, recall := percent(both, told), percent(both, is); precision < leastMemory || recall < leastMemory {
			t.Errorf("%s: precision is %.1f %%, recall is %.1f %%, at least %d", name, precision, recall, leastMemory)
		}
	}
}
