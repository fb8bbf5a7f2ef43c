// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// A shownIncident is an incident as history show tells it.
type shownIncident struct {
	Incident history.Incident
	Deaths   []history.Death
	Gaps     []history.Gap // of the watch, that touch its time: what happened then may be missing
}

func (p *program) incidentText(shown *shownIncident) error {
	if err := p.incidentTable([]history.Incident{shown.Incident}); err != nil {
		return err
	}
	fmt.Fprintln(p.Out)
	if err := p.deathTable(shown.Deaths); err != nil || len(shown.Gaps) == 0 {
		return err
	}
	fmt.Fprintln(p.Out)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "UNSEEN FROM\tTO\tWHAT")
	for _, g := range shown.Gaps {
		to := "still"
		if !g.To.IsZero() {
			to = g.To.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", g.From.UTC().Format(time.RFC3339), to, report.Escape(g.What))
	}
	return w.Flush()
}
