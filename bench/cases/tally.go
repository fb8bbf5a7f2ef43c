// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/report"
)

// A tally counts answers.
type tally struct {
	faults, first, third  int // cases with a fault; those of which the first cause is right; any of the first three
	controls, alarms      int // cases without a fault; those of which something was said to be wrong
	unmapped              map[string]bool
	byCategory, missesFor map[string]int
}

// count judges one answer, and prints it when it is wrong.
func (t *tally) count(w io.Writer, c testCase, r report.Report, verbose bool) {
	if t.unmapped == nil {
		t.unmapped, t.byCategory, t.missesFor = map[string]bool{}, map[string]int{}, map[string]int{}
	}
	for _, cause := range r.Causes {
		if _, ok := categories[cause.Rule]; !ok {
			t.unmapped[cause.Rule] = true
		}
	}
	verdict := "right"
	switch place := c.place(r); {
	case c.Category == healthy:
		t.controls++
		if len(r.Causes) > 0 || len(r.Undetermined) > 0 {
			t.alarms++
			verdict = "alarm"
		}
	case place == 1:
		t.first++
		t.third++
		t.faults++
	case place > 0:
		t.third++
		t.faults++
		verdict = fmt.Sprintf("%d.   ", place)
	default:
		t.faults++
		verdict = "wrong"
		t.missesFor[c.Category]++
	}
	t.byCategory[c.Category]++
	if verdict == "right" && !verbose {
		return
	}
	fmt.Fprintf(w, "%s %s: expected %s (%s)\n", verdict, c.ID, strings.Join(c.right(), " or "), c.Expected)
	for i, cause := range r.Causes[:min(len(r.Causes), 3)] {
		fmt.Fprintf(w, "      %d. %s %s %s %s\n", i+1, cause.Rule, cause.Confidence, strings.Join(categories[cause.Rule], ","), cause.Message)
	}
	for _, u := range r.Undetermined[:min(len(r.Undetermined), 3)] {
		fmt.Fprintf(w, "      undetermined: %s\n", u.Message)
	}
}

func (c *testCase) right() []string { return append([]string{c.Category}, c.Accept...) }

// place returns which of the first three causes is right, counted from 1, or 0. What follows from the first counts as
// the third.
func (c *testCase) place(r report.Report) int {
	fits := func(rule string) bool {
		return slices.ContainsFunc(categories[rule], func(have string) bool { return slices.Contains(c.right(), have) })
	}
	for i, cause := range r.Causes[:min(len(r.Causes), 3)] {
		if fits(cause.Rule) {
			return i + 1
		}
	}
	if len(r.Causes) > 0 && slices.ContainsFunc(r.Causes[0].Leads, func(l report.Cause) bool { return fits(l.Rule) }) {
		return 3
	}
	return 0
}

func (t *tally) print(w io.Writer) {
	percent := func(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }
	fmt.Fprintf(w, "\n%d cases with a fault: first cause right %d (%.0f %%), among the first three %d (%.0f %%)\n",
		t.faults, t.first, percent(t.first, t.faults), t.third, percent(t.third, t.faults))
	fmt.Fprintf(w, "%d cases without one: %d false alarms\n", t.controls, t.alarms)
	for _, category := range slices.Sorted(maps.Keys(t.missesFor)) {
		fmt.Fprintf(w, "missed %s: %d of %d\n", category, t.missesFor[category], t.byCategory[category])
	}
	if len(t.unmapped) > 0 {
		fmt.Fprintf(w, "rules without a category: %s\n", strings.Join(slices.Sorted(maps.Keys(t.unmapped)), ", "))
	}
}
