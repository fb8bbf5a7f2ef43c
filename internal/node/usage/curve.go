// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"slices"

	"github.com/kubeinquest/inquest/internal/record"
)

// mostSteps is how many measurements of the last minutes are told of a run: as many as a curve needs.
const mostSteps = 24

// curves tell how memory and processors went until now, for whoever draws it.
func (s *summing) curves() {
	for _, c := range []struct {
		name, file, what string
		of               func(*point) float64
	}{
		{"course.memory", "memory.stat", "working set in KiB", func(p *point) float64 { return float64(p.working) }},
		{"course.cpu", "cpu.stat", "thousandths of a processor", func(p *point) float64 { return float64(p.cpu) / float64(max(p.took, 1)) }},
	} {
		steps := s.steps(c.of)
		if len(steps) > 1 {
			s.add(c.name, c.file, steps[len(steps)-1].Value, record.Course(c.what, s.at, steps))
		}
	}
}

// steps are the samples of a measure: where there are too many, the highest of some that follow each other, and always the last.
func (s *summing) steps(of func(*point) float64) (steps []record.Step) {
	n := len(s.points)
	each := (n + mostSteps - 1) / mostSteps
	for end := n; end > 0; end -= each {
		step := record.Step{At: moment(s.epoch, s.points[end-1].at), Value: of(s.points[end-1])}
		for _, p := range s.points[max(0, end-each) : end-1] {
			if v := of(p); end < n && v > step.Value {
				step = record.Step{At: moment(s.epoch, p.at), Value: v}
			}
		}
		steps = append(steps, step)
	}
	slices.Reverse(steps)
	return steps
}
