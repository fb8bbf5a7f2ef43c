// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/csv"
	"fmt"
	"io"

	"github.com/kubeinquest/inquest/internal/regex"
)

// formula finds where a spreadsheet would begin to calculate: at the first character of a cell, and, where it parts cells at
// semicolons as in much of Europe, behind one. Blanks, quotes and the wide forms of these characters do not keep it from that.
var formula = regex.New(`(^|;)([\s"]*)([=+\-@＝＋－＠])`)

// CSV writes rows of text from a cluster as comma-separated values (RFC 4180) that no spreadsheet calculates with: what begins as a
// formula has an apostrophe before it, and what Escape makes visible is visible.
func CSV(w io.Writer, rows [][]string) error {
	out := csv.NewWriter(w)
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			if len(cell) > 0 && (cell[0] == '\t' || cell[0] == '\r') {
				cell = "'" + cell[1:]
			}
			safe[i] = formula.ReplaceAllString(Escape(cell), "$1$2'$3")
		}
		if err := out.Write(safe); err != nil {
			return fmt.Errorf("write comma-separated values: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write comma-separated values: %w", err)
	}
	return nil
}
