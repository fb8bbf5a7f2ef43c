// SPDX-License-Identifier: Apache-2.0

package history

// What evidence explains is grouped by its cause. A verdict from a status alone is the best guess at that cause, or none: such a death
// goes with what else is known of its container, so that a loop is one incident while its latest runs are yet to be captured, and also
// where they never are.

// runsBeside is how many runs before and after one are looked at: what had no capture is among the latest.
const runsBeside = 16

// proven is what the row of a death has that evidence of its own explains.
const proven = `rank = 3 AND missing = ''`

// isVague tells whether the cause of a run's end is a guess: where a status proves it, it is none, and where it is a node or the
// cluster, the watch knows more than the container does.
func (d *incoming) isVague() bool {
	return d.Kind == Died && !d.Verdict.Settled && d.Verdict.Confidence != sure[0] && d.Verdict.Thing.Namespace != ""
}

// ofContainer returns the incident that the container of a death is in by the last of its runs that evidence explains, while that goes
// on; nil where there is none.
func (t *txn) ofContainer(pod int64, d *incoming) (*incident, error) {
	var id int64
	found, err := t.row([]any{&id}, `SELECT share FROM deaths WHERE pod = $1 AND container = $2 AND attempt <> $3 AND kind = $4
		AND share IS NOT NULL AND `+proven+` ORDER BY attempt DESC LIMIT 1`, pod, d.Of.Container, d.Of.Attempt, Died)
	if err != nil || !found {
		return nil, err
	}
	sh, err := t.share(id)
	if err != nil || !t.store.options.goesOn(sh.in, d.at()) {
		return nil, err
	}
	return sh.in, nil
}

// goesOn tells whether the incident is not closed yet at that moment.
func (o *Options) goesOn(in *incident, at int64) bool {
	return in.distance(at) <= o.Close.Microseconds()
}

// A loose death is one that stands in an incident by a guess.
type loose struct {
	known
	reason string
}

// gather brings to where a death is, if evidence explains it, those of its container that stand elsewhere by a guess alone.
func (t *txn) gather(now *known, d *incoming, to *share) error {
	if d.Kind != Died || !d.Verdict.Settled || d.Missing != "" {
		return nil
	}
	var all []loose
	err := t.each(func(scan func(...any) error) error {
		l := loose{known: known{pod: now.pod}}
		err := scan(&l.id, &l.share, &l.at, &l.confidence, &l.reason)
		all = append(all, l)
		return err
	}, `SELECT id, share, at, confidence, reason FROM deaths d WHERE pod = $1 AND container = $2 AND attempt BETWEEN $3 AND $4 AND kind = $5
		AND share <> $6 AND NOT (`+proven+`) AND confidence <> $7 AND NOT EXISTS (
			SELECT 1 FROM deaths o WHERE o.pod = d.pod AND o.container = d.container AND o.kind = d.kind AND o.share = d.share AND o.rank = 3 AND o.missing = '')
		ORDER BY attempt`, now.pod, d.Of.Container, d.Of.Attempt-runsBeside, d.Of.Attempt+runsBeside, Died, to.id, sure[0])
	if err != nil {
		return err
	}
	for i := range all {
		if err := t.take(&all[i], d, to); err != nil {
			return err
		}
	}
	return nil
}

// take takes a death to where another of its container is, unless that was over by then.
func (t *txn) take(l *loose, beside *incoming, to *share) error {
	if !t.store.options.goesOn(to.in, l.at) {
		return nil
	}
	if err := t.detach(&l.known); err != nil {
		return err
	}
	d := *beside
	d.Finished, d.Reason = fromMicros(l.at), l.reason
	if _, err := t.attach(&l.known, &d, to.in); err != nil {
		return err
	}
	t.changed = append(t.changed, l.id)
	return t.exec(`UPDATE deaths SET share = $1 WHERE id = $2`, to.id, l.id)
}
