// SPDX-License-Identifier: Apache-2.0

package history

import (
	"maps"
	"slices"
)

// flush writes what the transaction made of incidents.
func (t *txn) flush() error {
	for _, id := range slices.Sorted(maps.Keys(t.grouped.shares)) {
		if sh := t.grouped.shares[id]; sh.dirty {
			if err := t.writeShare(sh); err != nil {
				return err
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.grouped.byID)) {
		if in := t.grouped.byID[id]; in.dirty {
			if err := t.writeIncident(in); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *txn) writeShare(sh *share) error {
	if sh.deaths <= 0 {
		if err := t.unindex(sh.id); err != nil {
			return err
		}
		return t.exec(`DELETE FROM shares WHERE id = $1`, sh.id)
	}
	if sh.shrunk {
		if err := t.recount(sh); err != nil {
			return err
		}
	}
	if err := t.number(sh); err != nil {
		return err
	}
	var title, names any // those of the death that gave them
	if sh.lead <= 0 {
		title, names = sh.title, nameLines(sh.names)
	}
	err := t.exec(`UPDATE shares SET state = $1, first = $2, last = $3, deaths = $4, pods = $5, trimmed = $6, certain = $7, likely = $8,
		possible = $9, lead = $10, lead_settled = $11, title = $12, names = $13, nodes = $14, images = $15, workloads = $16 WHERE id = $17`,
		sh.in.state, sh.first, sh.last, sh.deaths, sh.pods, sh.trimmed, sh.sure[0], sh.sure[1], sh.sure[2], sh.lead, boolInt(sh.leadSettled),
		title, names, sh.listed[0], sh.listed[1], sh.listed[2], sh.id)
	if err != nil || !sh.words && sh.in.before != StateClosed {
		return err
	}
	return t.index(sh)
}

func (t *txn) writeIncident(in *incident) error {
	var parts, deaths, pods, first, last int64
	_, err := t.row([]any{&parts, &deaths, &pods, &first, &last}, `SELECT COUNT(*), COALESCE(SUM(deaths), 0), COALESCE(SUM(pods), 0),
		COALESCE(MIN(first), 0), COALESCE(MAX(last), 0) FROM shares WHERE incident = $1`, in.id)
	if err != nil {
		return err
	}
	if parts == 0 {
		return t.vanish(in)
	}
	if !in.fresh && in.state != in.before {
		if err := t.restate(in); err != nil {
			return err
		}
	}
	if in.fresh || in.before == StateClosed && in.state == StateOpen {
		if err := t.announce(in, StateOpen, 0); err != nil {
			return err
		}
	}
	if mark := MarkOf(int(pods)); in.state == StateOpen && mark > MarkOf(int(in.pods)) {
		if err := t.announce(in, StateOpen, mark); err != nil {
			return err
		}
	}
	return t.exec(`UPDATE incidents SET state = $1, round = $2, first = $3, last = $4, deaths = $5, pods = $6, title = '' WHERE id = $7`,
		in.state, in.round, first, last, deaths, pods, in.id)
}

// restate gives the shares the state of their incident.
func (t *txn) restate(in *incident) error {
	return t.exec(`UPDATE shares SET state = $1 WHERE incident = $2 AND state <> $1`, in.state, in.id)
}

// vanish removes an incident without deaths, unless somebody was told of it: what a link in a message leads to stays,
// closed and without deaths.
func (t *txn) vanish(in *incident) error {
	var one int
	told, err := t.row([]any{&one}, `SELECT 1 FROM outbox WHERE incident = $1 AND (tries > 0 OR done > 0) LIMIT 1`, in.id)
	if err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM outbox WHERE incident = $1 AND tries = 0 AND done = 0`, in.id); err != nil {
		return err
	}
	if !told {
		return t.exec(`DELETE FROM incidents WHERE id = $1`, in.id)
	}
	in.state = StateClosed
	if err := t.announce(in, StateClosed, 0); err != nil {
		return err
	}
	return t.exec(`UPDATE incidents SET state = $1, deaths = 0, pods = 0, title = $2 WHERE id = $3`,
		StateClosed, "its deaths turned out to have other causes", in.id)
}
