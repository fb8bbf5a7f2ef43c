// SPDX-License-Identifier: Apache-2.0

package history

import (
	"container/list"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// What resembles something that is kept already is compressed against it: the evidence of two deaths of one workload by
// one rule differs in little but its values.
const (
	leastLike  = 200       // bytes of a form below which it is not worth it
	mostLike   = 128 << 10 // and above which the likeness is that of logs
	basesBytes = 4 << 20   // of what is remembered to compress against
	mostRecent = 2048      // hashes
	window     = 128 << 10
	dictionary = 1 // any number, as it is always the same
)

// A base is a content that is kept whole, to compress others against.
type base struct {
	id, like int64
	told
	raw   []byte // where it was read for that
	size  int    // as it is kept
	level int    // how many bases there are below it
}

// bases remembers contents to compress against, those used last, and what was kept of late.
type bases struct {
	mu     sync.Mutex
	byLike map[int64]*list.Element
	order  list.List // of *base, the one used last in front
	bytes  int
	recent map[hash]int64 // ids of contents

	encoding sync.Mutex
	encoder  *zstd.Encoder
	with     *base // what the encoder compresses against
}

// compress makes the data of a part: against the evidence of the first death of its pod, which has the same Events, against
// that of another pod of its workload, or by itself.
func (s *Store) compress(ctx context.Context, p *part) error {
	p.told = tell(p.raw, p.names)
	t := p.told
	if len(t.form) < leastLike || len(t.form) > mostLike {
		p.base, p.data = 0, s.bases.encode(t, p.raw, nil)
		return nil
	}
	b, err := s.sibling(ctx, p)
	if err != nil {
		return err
	}
	if b != nil {
		p.base, p.data = b.id, s.bases.encode(t, p.raw, b)
		if p.level = b.level + 1; len(p.data) <= b.size*3/4 {
			return nil
		}
	}
	if b, err = s.baseFor(ctx, p.like); err != nil {
		return err
	}
	if b != nil {
		p.base, p.data, p.level = b.id, s.bases.encode(t, p.raw, b), 1
		if len(p.data) <= max(b.size/3, leastLike) {
			return nil
		}
	}
	p.base, p.data, p.level = 0, s.bases.encode(t, p.raw, nil), 0 // and makes a better base itself
	return nil
}

// sibling returns the pack of an earlier death of the same pod, nil where there is none: one that has at most one base
// below it.
func (s *Store) sibling(ctx context.Context, p *part) (*base, error) {
	if p.of == nil {
		return nil, nil
	}
	if b := s.bases.find(p.own); b != nil {
		return b, nil
	}
	var first, second, third sql.NullInt64
	err := s.reads.QueryRowContext(ctx, `SELECT x.id, x.base, y.base FROM clusters c JOIN pods p ON p.cluster = c.id JOIN deaths d ON d.pod = p.id
		JOIN blobs x ON x.id = d.pack LEFT JOIN blobs y ON y.id = x.base
		WHERE c.uid = $1 AND p.uid = $2 AND d.container = $3 AND d.attempt < $4 AND d.kind = $5 AND d.rank = $6 ORDER BY d.attempt DESC LIMIT 1`,
		p.of.Cluster, s.dialect.uid(p.of.PodUID), p.of.Of.Container, p.of.Of.Attempt, p.of.Kind, settled).Scan(&first, &second, &third)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.explain("read", err)
	}
	id := first.Int64
	if third.Valid {
		id = second.Int64
	}
	b, err := loadBase(ctx, s.reads, id)
	if err != nil {
		return nil, s.explain("read", err)
	}
	b.like = p.own
	s.bases.add(b)
	return b, nil
}

// mostLevels bounds what a damaged history can have read: a pack, that of a sibling, and that of another pod.
const mostLevels = 4

// loadBase reads a content with what it was compressed against.
func loadBase(ctx context.Context, q querier, id int64) (*base, error) {
	var chain [][]byte
	for next := (sql.NullInt64{Int64: id, Valid: true}); next.Valid; {
		var data []byte
		if err := q.QueryRowContext(ctx, `SELECT data, base FROM blobs WHERE id = $1`, next.Int64).Scan(&data, &next); err != nil {
			return nil, err
		}
		if chain = append(chain, data); len(chain) > mostLevels {
			return nil, fmt.Errorf("%w: blob %d: too many bases", errDamaged, id)
		}
	}
	var b *base
	for i, data := range slices.Backward(chain) {
		next := &base{id: id, size: len(data), level: len(chain) - 1 - i}
		var err error
		if next.told, next.raw, err = expand(data, b); err != nil {
			return nil, fmt.Errorf("%w: blob %d: %w", errDamaged, id, err)
		}
		b = next
	}
	return b, nil
}

// whole makes the data of a part by itself.
func (s *Store) whole(p *part) {
	p.told = tell(p.raw, p.names)
	p.base, p.level, p.data = 0, 0, s.bases.encode(p.told, p.raw, nil)
}

// encode writes how long the values are, the values, the form and a checksum of the content.
func (b *bases) encode(t told, raw []byte, like *base) []byte {
	var values []value
	if like != nil {
		values = like.values
	}
	listed := appendValues(nil, t.values, values)
	data := append(binary.AppendUvarint(nil, uint64(len(listed))), listed...)
	b.encoding.Lock()
	defer b.encoding.Unlock()
	if b.encoder == nil {
		b.encoder = encoder()
	}
	if b.with != like {
		against := zstd.WithEncoderDictDelete()
		if like != nil {
			against = zstd.WithEncoderDictRaw(dictionary, like.form)
		}
		if err := b.encoder.ResetWithOptions(nil, against); err != nil {
			panic(err) // the options are constants
		}
		b.with = like
	}
	data = b.encoder.EncodeAll(t.form, data)
	return binary.LittleEndian.AppendUint32(data, crc32.ChecksumIEEE(raw))
}

func encoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithWindowSize(window), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
}

var errChecksum = errors.New("it is not what was written")

// expand is the inverse of encode, bounded by what is taken in.
func expand(data []byte, like *base) (told, []byte, error) {
	r := &reader{data: data}
	listed := r.bytes(r.number())
	if r.bad || len(r.data) < crc32.Size {
		return told{}, nil, errValues
	}
	frame, sum := r.data[:len(r.data)-crc32.Size], r.data[len(r.data)-crc32.Size:]
	options := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(2 * maxPart)}
	var values []value
	if like != nil {
		options, values = append(options, zstd.WithDecoderDictRaw(dictionary, like.form)), like.values
	}
	d, err := zstd.NewReader(nil, options...)
	if err != nil {
		return told{}, nil, err
	}
	defer d.Close()
	var t told
	if t.form, err = d.DecodeAll(frame, []byte{}); err != nil {
		return told{}, nil, err
	}
	if t.values, err = readValues(listed, classes(t.form), values); err != nil {
		return told{}, nil, err
	}
	raw, err := t.text(2 * maxPart)
	if err == nil && crc32.ChecksumIEEE(raw) != binary.LittleEndian.Uint32(sum) {
		err = errChecksum
	}
	return t, raw, err
}

// baseFor returns the content that resembles one of a likeness, nil where there is none: from memory, or the last one
// that was kept whole.
func (s *Store) baseFor(ctx context.Context, like int64) (*base, error) {
	if like == 0 {
		return nil, nil
	}
	if b := s.bases.find(like); b != nil {
		return b, nil
	}
	var id int64
	err := s.reads.QueryRowContext(ctx, `SELECT id FROM blobs WHERE alike = $1 ORDER BY id DESC LIMIT 1`, like).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.explain("read", err)
	}
	b, err := loadBase(ctx, s.reads, id)
	if err != nil {
		return nil, s.explain("read", err)
	}
	b.like = like
	s.bases.add(b)
	return b, nil
}

func (b *bases) find(like int64) *base {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.byLike[like]
	if e == nil {
		return nil
	}
	b.order.MoveToFront(e)
	return e.Value.(*base)
}

// weight is about what a base takes in memory.
func (b *base) weight() int { return len(b.form) + 100*len(b.values) }

func (b *bases) add(one *base) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byLike == nil {
		b.byLike = map[int64]*list.Element{}
	}
	if old := b.byLike[one.like]; old != nil {
		b.remove(old)
	}
	one.raw = nil
	b.byLike[one.like] = b.order.PushFront(one)
	for b.bytes += one.weight(); b.bytes > basesBytes; {
		b.remove(b.order.Back())
	}
}

func (b *bases) remove(e *list.Element) {
	old := b.order.Remove(e).(*base)
	delete(b.byLike, old.like)
	b.bytes -= old.weight()
}

// kept remembers a part that was committed.
func (b *bases) kept(p *part, id int64) {
	b.mu.Lock()
	if b.recent == nil || len(b.recent) >= mostRecent {
		b.recent = map[hash]int64{}
	}
	b.recent[p.hash] = id
	b.mu.Unlock()
	if len(p.raw) < leastLike || len(p.raw) > mostLike || p.level > 1 {
		return
	}
	if p.basic() {
		b.add(&base{id: id, like: p.like, told: p.told, size: len(p.data)})
	}
	if p.of != nil && p.of.Verdict.Settled {
		b.add(&base{id: id, like: p.own, told: p.told, size: len(p.data), level: p.level})
	}
}

// basic tells whether others are compressed against the part.
func (p *part) basic() bool {
	return p.base == 0 && p.like != 0 && len(p.raw) >= leastLike && len(p.raw) <= mostLike
}

// forget is told of a base that is no longer kept.
func (b *bases) forget(id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := b.order.Front(); e != nil; e = e.Next() {
		if e.Value.(*base).id == id {
			b.remove(e)
			return
		}
	}
}

func (b *bases) known(h hash) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.recent[h]
}
