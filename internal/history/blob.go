// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
)

// A part is the pack or a large file of a bundle, on its way into the history.
type part struct {
	hash hash
	raw  []byte
	data []byte // compressed; nil where the content is probably there already
	base int64  // what it was compressed against; 0 for nothing
	like string // what resembles it
}

// A hash is the first half of the SHA-256 of a content. To make two contents with the same one takes 2^64 tries.
type hash [16]byte

func hashed(raw []byte) hash {
	sum := sha256.Sum256(raw)
	return hash(sum[:16])
}

// partsOf prepares what is told with a verdict, in the goroutine of the caller: the writer has enough to do.
func (s *Store) partsOf(d *Death) []part {
	if d.Verdict == nil {
		return nil
	}
	parts := pack(d.Verdict)
	for i := range parts {
		parts[i].hash = hashed(parts[i].raw)
		if !s.bases.recent(parts[i].hash) {
			s.bases.compress(&parts[i])
		}
	}
	return parts
}

// keep writes the parts of a death.
func (t *txn) keep(death int64, parts []part) error {
	for i := range parts {
		blob, err := t.blobID(&parts[i])
		if err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO parts (death, part, blob) VALUES ($1, $2, $3)`, death, i, blob); err != nil {
			return err
		}
	}
	return nil
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
	var blobs []int64
	for _, death := range deaths {
		of, err := t.numbers(`DELETE FROM parts WHERE death = $1 RETURNING blob`, death)
		if err != nil {
			return err
		}
		blobs = append(blobs, of...)
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
	var sum, data, baseData []byte
	err := q.QueryRowContext(ctx, `SELECT blobs.hash, blobs.data, b.data FROM blobs LEFT JOIN blobs b ON b.id = blobs.base
		WHERE blobs.id = $1`, blob).Scan(&sum, &data, &baseData)
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
	if h := hashed(raw); err == nil && !bytes.Equal(h[:], sum) {
		err = errors.New("it is not what was written")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: blob %d: %w", errDamaged, blob, err)
	}
	return raw, nil
}
