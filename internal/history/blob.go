// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
)

// A part is the pack or a large file of a bundle, on its way into the history.
type part struct {
	hash   hash
	raw    []byte
	names  []string // values in it that only the caller knows
	like   int64    // what resembles it; 0 for nothing
	shared bool     // whether it is looked for by its hash: the node that forty pods were on
	data   []byte   // compressed; nil where the content is probably there already
	base   int64    // what it was compressed against; 0 for nothing
	level  int      // how many bases there are below it
	of     *Death   // of a pack
	own    int64    // of a pack: what other deaths of the same pod resemble
	told   told     // as it was compressed
}

// A hash is the first half of the SHA-256 of a content. To make two contents with the same one takes 2^64 tries.
type hash [16]byte

func hashed(raw []byte) hash {
	sum := sha256.Sum256(raw)
	return hash(sum[:16])
}

// partsOf prepares what is told with a verdict, in the goroutine of the caller: the writer has enough to do.
func (s *Store) partsOf(ctx context.Context, d *Death) ([]part, error) {
	if d.Verdict == nil {
		return nil, nil
	}
	parts := pack(d)
	for i := range parts {
		p := &parts[i]
		p.hash = hashed(p.raw)
		if s.bases.known(p.hash) != 0 {
			continue
		}
		if err := s.compress(ctx, p); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// keep writes the parts of a death and returns their blobs, that of the pack first.
func (t *txn) keep(parts []part) (ids []int64, err error) {
	for i := range parts {
		id, err := t.blobID(&parts[i])
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// link notes the larger files of a death; the pack is in its row.
func (t *txn) link(death int64, blobs []int64) error {
	for i := 1; i < len(blobs); i++ {
		if err := t.exec(`INSERT INTO parts (death, part, blob) VALUES ($1, $2, $3)`, death, i, blobs[i]); err != nil {
			return err
		}
	}
	return nil
}

// blobID returns the blob of a part, with one reference more.
func (t *txn) blobID(p *part) (int64, error) {
	id, err := t.again(p)
	if id != 0 || err != nil {
		return id, err
	}
	if p.data == nil {
		t.store.whole(p)
	}
	if p.base != 0 { // which retention may have taken since
		if kept, err := t.row([]any{&id}, `SELECT id FROM blobs WHERE id = $1`, p.base); err != nil {
			return 0, err
		} else if !kept {
			t.store.bases.forget(p.base)
			t.store.whole(p)
		}
	}
	var sum, alike any
	if p.shared {
		sum = p.hash[:]
	}
	if p.basic() {
		alike = p.like
	}
	_, err = t.row([]any{&id}, `INSERT INTO blobs (hash, base, alike, refs, data) VALUES ($1, $2, $3, 1, $4) RETURNING id`,
		sum, sql.NullInt64{Int64: p.base, Valid: p.base != 0}, alike, p.data)
	if err == nil {
		kept := *p
		t.blobs[p.hash] = id
		t.after = append(t.after, func() { t.store.bases.kept(&kept, id) })
	}
	return id, err
}

// again finds a blob that is there already.
func (t *txn) again(p *part) (int64, error) {
	if t.blobs == nil {
		t.blobs = map[hash]int64{}
	}
	id := t.blobs[p.hash]
	if id == 0 {
		id = t.store.bases.known(p.hash)
	}
	if p.shared && id == 0 {
		if _, err := t.row([]any{&id}, `SELECT id FROM blobs WHERE hash = $1`, p.hash[:]); err != nil {
			return 0, err
		}
	}
	if id == 0 {
		return 0, nil
	}
	n, err := t.count(`UPDATE blobs SET refs = refs + 1 WHERE id = $1`, id)
	if n == 0 {
		id = 0
	}
	return id, err
}

// unlink takes the larger files from a death and returns their blobs.
func (t *txn) unlink(death int64) ([]int64, error) {
	return t.numbers(`DELETE FROM parts WHERE death = $1 RETURNING blob`, death)
}

// drop takes a reference from blobs, and forgets those that nothing refers to any more.
func (t *txn) drop(blobs []int64) error {
	for _, blob := range blobs {
		if blob == 0 {
			continue
		}
		if err := t.exec(`UPDATE blobs SET refs = refs - 1 WHERE id = $1`, blob); err != nil {
			return err
		}
		if err := t.dropBlob(blob); err != nil {
			return err
		}
	}
	return nil
}

// dropBlob forgets a blob that nothing refers to, and with it the base that only it was compressed against.
func (t *txn) dropBlob(blob int64) error {
	var base sql.NullInt64
	found, err := t.row([]any{&base}, `DELETE FROM blobs WHERE id = $1 AND refs < 1
		AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.base = $1) RETURNING base`, blob)
	if err != nil || !found || !base.Valid {
		return err
	}
	return t.dropBlob(base.Int64)
}

// content reads a blob.
func content(ctx context.Context, q querier, blob int64) ([]byte, error) {
	b, err := loadBase(ctx, q, blob)
	if err != nil {
		return nil, err
	}
	return b.raw, nil
}
