// SPDX-License-Identifier: Apache-2.0

package usage

import "testing"

// TestSteps: of 120 samples with a short peak 24 are told, with the peak and the last one.
func TestSteps(t *testing.T) {
	s := summing{}
	for i := range uint32(120) {
		s.points = append(s.points, &point{at: 50 * i, working: i})
	}
	s.points[61].working = 9999
	steps := s.steps(func(p *point) float64 { return float64(p.working) })
	if len(steps) != 24 || steps[23].Value != 119 || !steps[23].At.Equal(moment(s.epoch, 119*50)) {
		t.Fatalf("%d steps, the last %v", len(steps), steps[len(steps)-1])
	}
	peaks := 0
	for i, step := range steps {
		if step.Value == 9999 {
			peaks++
		}
		if i > 0 && !steps[i-1].At.Before(step.At) {
			t.Errorf("step %d is not later than the one before", i)
		}
	}
	if peaks != 1 {
		t.Errorf("the peak is told %d times", peaks)
	}
}
