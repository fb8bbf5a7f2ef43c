// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"path"
)

// A part is one file of a bundle, or the report, on its way into the history.
type part struct {
	path string // "" for the report
	hash [sha256.Size]byte
	raw  []byte
	data []byte // compressed; nil where the content is probably there already
	base int64  // what it was compressed against; 0 for nothing
	like string // what resembles it
}

// partsOf prepares what is told with a verdict, in the goroutine of the caller: the writer has enough to do.
func (s *Store) partsOf(d *Death) []part {
	if d.Verdict == nil {
		return nil
	}
	var parts []part
	if report := d.Verdict.Report; len(report) > 0 && len(report) <= maxReport {
		parts = append(parts, part{raw: report, like: "report " + d.Verdict.Rule})
	}
	for _, p := range bounded(d.Verdict.Bundle) {
		parts = append(parts, part{path: p, raw: d.Verdict.Bundle[p], like: path.Ext(p) + " " + kindOf(p)})
	}
	for i := range parts {
		parts[i].hash = sha256.Sum256(parts[i].raw)
		if !s.bases.recent(parts[i].hash) {
			s.bases.compress(&parts[i])
		}
	}
	return parts
}

// kindOf names what files resemble each other, by the folders of a bundle: the manifests of all pods, all logs.
func kindOf(p string) string {
	if path.Dir(p) == "." {
		return p
	}
	dir, kind := path.Split(path.Dir(p))
	if top, _ := path.Split(dir); top == "" || kind == "" {
		return dir + kind
	}
	return path.Base(path.Dir(p))
}

// keep writes the parts of a death.
func (t *txn) keep(death int64, parts []part) error {
	for i := range parts {
		name, err := t.pathID(parts[i].path)
		if err != nil {
			return err
		}
		blob, err := t.blobID(&parts[i])
		if err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO parts (death, path, blob) VALUES ($1, $2, $3)`, death, name, blob); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) pathID(p string) (int64, error) {
	var id int64
	found, err := t.row([]any{&id}, `SELECT id FROM paths WHERE path = $1`, p)
	if !found && err == nil {
		_, err = t.row([]any{&id}, `INSERT INTO paths (path) VALUES ($1) RETURNING id`, p)
	}
	return id, err
}

func (t *txn) blobID(p *part) (int64, error) {
	var id int64
	found, err := t.row([]any{&id}, `SELECT id FROM blobs WHERE hash = $1`, p.hash[:])
	if found || err != nil {
		return id, err
	}
	if p.base != 0 { // which retention may have taken since
		if kept, err := t.row([]any{&id}, `SELECT id FROM blobs WHERE id = $1 AND base IS NULL`, p.base); err != nil {
			return 0, err
		} else if !kept {
			t.store.bases.forget(p.base)
			p.data = nil
		}
	}
	if p.data == nil {
		p.base, p.data = 0, compress(p.raw)
	}
	_, err = t.row([]any{&id}, `INSERT INTO blobs (hash, base, size, data) VALUES ($1, $2, $3, $4) RETURNING id`,
		p.hash[:], sql.NullInt64{Int64: p.base, Valid: p.base != 0}, len(p.raw), p.data)
	if err == nil {
		kept := *p
		t.after = append(t.after, func() { t.store.bases.add(&kept, id) })
	}
	return id, err
}

// drop forgets the parts of deaths, and what nothing refers to any more.
func (t *txn) drop(deaths []int64) error {
	var blobs, paths []int64
	for _, death := range deaths {
		err := t.each(func(scan func(...any) error) error {
			var path, blob int64
			err := scan(&path, &blob)
			paths, blobs = append(paths, path), append(blobs, blob)
			return err
		}, `SELECT path, blob FROM parts WHERE death = $1`, death)
		if err != nil {
			return err
		}
		if err := t.exec(`DELETE FROM parts WHERE death = $1`, death); err != nil {
			return err
		}
	}
	for _, path := range paths {
		if err := t.exec(`DELETE FROM paths WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM parts WHERE path = $1)`, path); err != nil {
			return err
		}
	}
	for _, blob := range blobs {
		if err := t.dropBlob(blob); err != nil {
			return err
		}
	}
	return nil
}

// dropBlob forgets a blob that nothing refers to, and with it the base that only it was compressed against.
func (t *txn) dropBlob(blob int64) error {
	var base sql.NullInt64
	found, err := t.row([]any{&base}, `DELETE FROM blobs WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM parts WHERE blob = $1)
		AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.base = $1) RETURNING base`, blob)
	if err != nil || !found || !base.Valid {
		return err
	}
	return t.dropBlob(base.Int64)
}

// content reads a blob.
func content(ctx context.Context, q querier, blob int64) ([]byte, error) {
	var data, baseData []byte
	var size int64
	err := q.QueryRowContext(ctx, `SELECT blobs.size, blobs.data, b.data FROM blobs LEFT JOIN blobs b ON b.id = blobs.base
		WHERE blobs.id = $1`, blob).Scan(&size, &data, &baseData)
	if err != nil {
		return nil, err
	}
	var base []byte
	if baseData != nil {
		if base, err = expand(baseData, nil); err != nil {
			return nil, fmt.Errorf("%w: blob %d: %w", errDamaged, blob, err)
		}
	}
	raw, err := expand(data, base)
	if err == nil && int64(len(raw)) != size {
		err = fmt.Errorf("%d bytes, expected %d", len(raw), size)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: blob %d: %w", errDamaged, blob, err)
	}
	return raw, nil
}
