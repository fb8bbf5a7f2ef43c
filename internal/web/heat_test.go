// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"testing"

	"github.com/kubeinquest/inquest/internal/history"
)

// TestHeatOfMissed: what is known from restart counts alone is neither nothing nor undetermined.
func TestHeatOfMissed(t *testing.T) {
	all := []history.Death{died("shop", "till", 1), died("shop", "till", 2), died("bank", "vault", 3), died("bank", "vault", 4)}
	for _, i := range []int{1, 2, 3} {
		all[i].Verdict, all[i].Missing = nil, "it ended between two states that were seen"
	}
	unclear := died("shop", "stand", 5)
	unclear.Verdict.Rule = ""
	h := console(t, append(all, unclear)...)
	_, data, _ := get(t, h, "*", "/workloads?format=json")
	var heat Heat
	if err := json.Unmarshal([]byte(data), &heat); err != nil {
		t.Fatal(err)
	}
	legend := map[string]int{}
	for _, cause := range heat.Legend {
		legend[cause.Letters] = cause.Deaths
	}
	if heat.Missed != 3 || legend[gone] != 3 || legend[""] != 1 || legend["EXT"] != 1 || len(legend) != 3 {
		t.Errorf("%d are missed, and the legend has %v", heat.Missed, legend)
	}
	for _, row := range heat.Rows {
		last := row.Cells[len(row.Cells)-1]
		if want := map[string]HeatCell{
			"till": {Deaths: 2, Missed: 1, Cause: "EXT"}, "vault": {Deaths: 2, Missed: 2, Cause: gone}, "stand": {Deaths: 1},
		}[row.Name]; last.Deaths != want.Deaths || last.Missed != want.Missed || last.Cause != want.Cause || row.Missed != want.Missed {
			t.Errorf("%s has %+v, expected %+v", row.Name, last, want)
		}
	}
	_, body, _ := get(t, h, "*", "/workloads")
	contains(t, "the heat map", body, `<span class="cell gone" title="Nov 1 12:00Z, 2× known from the restart count alone: the evidence is gone">gone<b>2</b>`,
		`<span class="cell c1 partly"`, ">gone</span> evidence gone", `<span class="cell c0"`)
}
