// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// mostUnseen is how many gaps of the watch are shown of an incident.
const mostUnseen = 1000

// A shownIncident is an incident as history show tells it.
type shownIncident struct {
	Incident history.Incident
	Deaths   []history.Death
	Gaps     []history.Gap // of the watch, that touch its time: what happened then may be missing
}

// gapsOf returns the gaps that bear on an incident: that of now, where nobody watches, and those that were kept.
func gapsOf(ctx context.Context, s *history.Store, in *history.Incident, allowed []string) ([]history.Gap, error) {
	now := time.Now()
	from, to := in.Around(now)
	silent, err := s.Silent(ctx, in.Cluster, now, to)
	if err != nil {
		return nil, err
	}
	kept, err := s.GapsIn(ctx, in.Cluster, from, to, allowed, mostUnseen)
	return append(silent, kept...), err
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
