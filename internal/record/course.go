// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Step is one measurement of a course.
type Step struct {
	At    time.Time
	Value float64
}

// mostSteps is how many measurements are read from a course.
const mostSteps = 120

// Course writes how a measure went until a time as the text of a fact, oldest first: "working set in KiB, by seconds before:
// 590 10240, 0 20480". Both lose what is behind the point.
func Course(what string, until time.Time, steps []Step) string {
	var text strings.Builder
	text.WriteString(what + ", by seconds before: ")
	for i, s := range steps {
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "%.0f %.0f", until.Sub(s.At).Seconds(), s.Value)
	}
	return text.String()
}

// ReadCourse reads the text of a fact of that time; what is no measurement in it is left out.
func ReadCourse(until time.Time, text string) (steps []Step) {
	_, list, _ := strings.Cut(text, ", by seconds before: ")
	for pair := range strings.SplitSeq(list, ", ") {
		before, value, _ := strings.Cut(pair, " ")
		s, err := strconv.ParseFloat(before, 64)
		v, wrong := strconv.ParseFloat(value, 64)
		if err != nil || wrong != nil || !(s >= 0 && s < 1e6) || !(v >= 0 && v < 1e18) || len(steps) == mostSteps {
			continue
		}
		steps = append(steps, Step{At: until.Add(-time.Duration(s * float64(time.Second))), Value: v})
	}
	return steps
}
