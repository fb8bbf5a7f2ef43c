// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"fmt"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Record keeps deaths, and returns when they are committed. The same death again changes what is known of it, where
// more is known now than before.
func (s *Store) Record(ctx context.Context, deaths ...Death) error {
	if len(deaths) > maxRecords {
		return fmt.Errorf("record %d deaths at once: at most %d", len(deaths), maxRecords)
	}
	kept := make([]incoming, 0, len(deaths))
	for _, d := range deaths {
		d = d.cleaned()
		if d.Seen.IsZero() {
			d.Seen = s.options.Now()
		}
		if d.Cluster == "" || d.PodUID == "" {
			return fmt.Errorf("record the death of %s: it has no cluster or no UID of a pod", d.Of)
		}
		parts, err := s.partsOf(ctx, &d)
		if err != nil {
			return err
		}
		kept = append(kept, incoming{d, parts})
	}
	return s.do(ctx, func(t *txn) error {
		for i := range kept {
			if err := t.record(&kept[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// GiveUp settles deaths whose evidence cannot be had, with why: what was told of them provisionally stays.
func (s *Store) GiveUp(ctx context.Context, why string, deaths ...Death) error {
	return s.do(ctx, func(t *txn) error {
		for i := range deaths {
			d := &deaths[i]
			err := t.exec(`UPDATE deaths SET rank = $1, missing = $2 WHERE rank = $3 AND container = $4 AND attempt = $5 AND kind = $6 AND pod IN (
				SELECT p.id FROM pods p JOIN clusters c ON c.id = p.cluster WHERE c.uid = $7 AND p.uid = $8)`,
				settled, clean(why, maxText), provisional, clean(d.Of.Container, maxName), d.Of.Attempt, d.Kind, clean(d.Cluster, maxName), s.dialect.uid(clean(d.PodUID, maxName)))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type incoming struct {
	Death
	parts []part
}

// known is what the history has of a death.
type known struct {
	id, pod, rank, share, at, pack, message int64
	confidence                              string
}

func (t *txn) record(d *incoming) error {
	pod, err := t.podID(d.Cluster, d.PodUID, d.Of, d.Workload)
	if err != nil {
		return err
	}
	old := known{pod: pod}
	found, err := t.row([]any{&old.id, &old.rank, &old.share, &old.at, &old.pack, &old.message, &old.confidence},
		`SELECT id, rank, COALESCE(share, 0), at, COALESCE(pack, 0), COALESCE(message, 0), confidence FROM deaths WHERE pod = $1 AND container = $2 AND attempt = $3 AND kind = $4`,
		pod, d.Of.Container, d.Of.Attempt, d.Kind)
	if err != nil {
		return err
	}
	rank := d.rank()
	if found && (rank < old.rank || rank == old.rank && (rank <= silent || rank == settled && d.Kind == Died && !d.Verdict.Revised)) {
		return nil
	}
	if d.Kind == Died {
		if err := t.mark(pod, d.Of.Container, d.Of.Attempt, d.Base); err != nil {
			return err
		}
	}
	if old.share != 0 {
		if err := t.detach(&old); err != nil {
			return err
		}
	}
	return t.place(&old, d)
}

// asBefore stands for the number of files that a death had.
const asBefore = -1

// place writes the row of a death, within its incident.
func (t *txn) place(old *known, d *incoming) error {
	now := known{id: old.id, pod: old.pod, rank: d.rank(), at: d.at()}
	var in *share
	v := d.Verdict
	if v == nil {
		v = &Verdict{}
	} else {
		now.confidence = v.Confidence
		of, err := t.incidentOf(old.pod, d)
		if err != nil {
			return err
		}
		if in, err = t.attach(&now, d, of); err != nil {
			return err
		}
		now.share = in.id
	}
	node, err := t.nameID(d.Node)
	if err != nil {
		return err
	}
	image, err := t.nameID(d.Image)
	if err != nil {
		return err
	}
	message, err := t.messageID(v.Message, nameLines(v.Names))
	if err != nil {
		return err
	}
	blobs, err := t.keep(d.parts)
	if err != nil {
		return err
	}
	bare := v.Report == nil && v.Bundle == nil && old.id != 0 // what is there stays
	files := len(bounded(v.Bundle))
	if bare {
		now.pack, files = old.pack, asBefore
	} else if len(blobs) > 0 {
		now.pack = blobs[0]
	}
	values := []any{
		now.at, micros(d.Started), boolInt(!d.Finished.IsZero()), micros(d.Seen), d.ExitCode, d.Signal, node, image, d.Reason, d.Missing,
		now.rank, v.Rule, v.Confidence, nullable(message), v.Version, files, nullable(now.share), nullable(now.pack),
	}
	if err := t.put(&now, d, values); err != nil {
		return err
	}
	if in != nil {
		in.follow(&now, d)
		if err := t.gather(&now, d, in); err != nil {
			return err
		}
	}
	t.changed = append(t.changed, now.id)
	if err := t.replaced(old, bare); err != nil {
		return err
	}
	return t.link(now.id, blobs)
}

// replaced forgets what was kept of a death before.
func (t *txn) replaced(old *known, bare bool) error {
	if old.id == 0 {
		return nil
	}
	if err := t.dropMessage(old.message); err != nil || bare {
		return err
	}
	gone, err := t.unlink(old.id)
	if err != nil {
		return err
	}
	return t.drop(append(gone, old.pack))
}

func (t *txn) put(now *known, d *incoming, values []any) error {
	if now.id != 0 {
		return t.exec(`UPDATE deaths SET at = $1, started = $2, finished = $3, seen = $4, exit_code = $5, signal = $6, node = $7, image = $8,
			reason = $9, missing = $10, rank = $11, rule = $12, confidence = $13, message = $14, version = $15,
			files = CASE WHEN $16 < 0 THEN files ELSE $16 END, share = $17, pack = $18 WHERE id = $19`,
			append(values, now.id)...)
	}
	_, err := t.row([]any{&now.id}, `INSERT INTO deaths (at, started, finished, seen, exit_code, signal, node, image, reason, missing,
		rank, rule, confidence, message, version, files, share, pack, pod, container, attempt, kind)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) RETURNING id`,
		append(values, now.pod, d.Of.Container, d.Of.Attempt, d.Kind)...)
	return err
}

func nullable(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

func (t *txn) clusterID(uid string) (int64, error) {
	var id int64
	found, err := t.row([]any{&id}, `SELECT id FROM clusters WHERE uid = $1`, uid)
	if !found && err == nil {
		_, err = t.row([]any{&id}, `INSERT INTO clusters (uid) VALUES ($1) RETURNING id`, uid)
	}
	return id, err
}

func (t *txn) podID(cluster, uid string, of, workload evidence.Ref) (int64, error) {
	c, err := t.clusterID(cluster)
	if err != nil {
		return 0, err
	}
	var id int64
	written := t.store.dialect.uid(uid)
	found, err := t.row([]any{&id}, `SELECT id FROM pods WHERE cluster = $1 AND uid = $2`, c, written)
	if !found && err == nil {
		_, err = t.row([]any{&id}, `INSERT INTO pods (cluster, uid, namespace, name, workload_kind, workload_name)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`, c, written, of.Namespace, of.Name, workload.Kind, workload.Name)
	}
	return id, err
}

// messageID returns the number of what was told of a death and whom that names, with one reference more; 0 for nothing. The runs of a loop
// are told of in the same words.
func (t *txn) messageID(text, names string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	var id int64
	key := keyOf(text)
	found, err := t.row([]any{&id}, `UPDATE messages SET refs = refs + 1 WHERE hash = $1 AND text = $2 AND names = $3 RETURNING id`, key, text, names)
	if !found && err == nil {
		_, err = t.row([]any{&id}, `INSERT INTO messages (hash, text, names, refs) VALUES ($1, $2, $3, 1) RETURNING id`, key, text, names)
	}
	return id, err
}

// dropMessage takes a reference from a message, and forgets one that no death has.
func (t *txn) dropMessage(id int64) error {
	if id == 0 {
		return nil
	}
	if err := t.exec(`UPDATE messages SET refs = refs - 1 WHERE id = $1`, id); err != nil {
		return err
	}
	return t.exec(`DELETE FROM messages WHERE id = $1 AND refs < 1`, id)
}

// nameID returns the number of a node or an image.
func (t *txn) nameID(name string) (int64, error) {
	var id int64
	found, err := t.row([]any{&id}, `SELECT id FROM names WHERE name = $1`, name)
	if !found && err == nil {
		_, err = t.row([]any{&id}, `INSERT INTO names (name) VALUES ($1) RETURNING id`, name)
	}
	return id, err
}
