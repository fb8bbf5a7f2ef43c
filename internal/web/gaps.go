// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

const (
	mostGaps = 50   // of the watch, on one page
	gapsRead = 1000 // of which those are the latest
)

// interrupted is what is told of a gap of the whole watch to who may not see all: that it was, and not of what.
const interrupted = "the watch was interrupted"

// gapsIn are the times between two others in which something was not seen, the latest first. Whoever may see something of the cluster may
// know when it was not watched, as what he sees may lack that. More is how many there are before those.
func (c *Console) gapsIn(ctx context.Context, cluster string, from, to time.Time, may Rights) (gaps []Gap, more int, err error) {
	if !may.All && len(may.Namespaces) == 0 {
		return []Gap{}, 0, nil
	}
	kept, err := c.own().GapsIn(ctx, cluster, from, to, may.allowed(), gapsRead)
	if err != nil {
		return nil, 0, err
	}
	if cluster != "" { // it is about what was watched
		kept = slices.DeleteFunc(kept, history.Gap.Elsewhere)
	}
	silent, err := c.own().Silent(ctx, cluster, c.Now(), to)
	if err != nil {
		return nil, 0, err
	}
	all := together(each(may.gaps(append(silent, kept...)), func(g history.Gap) Gap {
		return Gap{What: g.What, Things: []string{}, From: g.From, To: g.To}
	}))
	more = max(len(all)-mostGaps, 0)
	return all[:len(all)-more], more, nil
}

// gaps are those that a caller may read of. For who may not see all, what he may see is not beyond, and other names in that are not his.
func (r Rights) gaps(all []history.Gap) []history.Gap {
	if r.All {
		return all
	}
	all = slices.DeleteFunc(all, history.Gap.Elsewhere)
	for i := range all {
		if all[i].Namespace == "" {
			all[i].What = interrupted
		}
	}
	return all
}

// together makes one of gaps of the same words that touch each other. The latest are first.
func together(gaps []Gap) []Gap {
	slices.SortFunc(gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.What, b.What), a.From.Compare(b.From))
	})
	all := []Gap{}
	for _, g := range gaps {
		last := len(all) - 1
		if last < 0 || all[last].What != g.What || !all[last].To.IsZero() && all[last].To.Before(g.From) {
			all = append(all, g)
			continue
		}
		if until := all[last].To; g.To.IsZero() || !until.IsZero() && until.Before(g.To) {
			all[last].To = g.To
		}
	}
	slices.SortStableFunc(all, func(a, b Gap) int { return b.From.Compare(a.From) })
	return all
}

// Text says what was not seen, and when.
func (g Gap) Text() string {
	text := g.What
	switch {
	case g.From.IsZero():
	case g.To.IsZero():
		text += " since " + clock(g.From) + " until now"
	default:
		text += " from " + clock(g.From) + " to " + clock(g.To)
	}
	return text
}

// missed counts the runs that are known to have ended in a time, of the workloads of some deaths, though their evidence is gone.
func (c *Console) missed(ctx context.Context, cluster string, deaths []history.Death, from, to time.Time, may Rights) (int, error) {
	type owner struct {
		workload evidence.Ref
		pod      string
	}
	asked, sum := map[owner]bool{}, 0
	for i := range deaths {
		of := owner{workload: deaths[i].Workload}
		if of.workload.Kind == "" {
			of.pod = deaths[i].PodUID
		}
		if asked[of] || len(asked) == mostPods {
			continue
		}
		asked[of] = true
		n, err := c.own().Count(ctx, history.Filter{Cluster: cluster, Namespaces: may.allowed(), Workload: of.workload, Pod: of.pod, From: from, To: to})
		if err != nil {
			return 0, err
		}
		sum += n.Missing
	}
	return sum, nil
}
