// SPDX-License-Identifier: Apache-2.0

package history

import (
	"container/list"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// What resembles something that is kept already is compressed against it: the manifests of two pods of one workload,
// two reports of one rule differ in some hundred bytes.
const (
	leastLike  = 200      // bytes of content below which it is not worth it
	mostLike   = 64 << 10 // and above which the likeness is that of logs
	basesBytes = 8 << 20  // of contents that are remembered
	mostRecent = 8192     // hashes
	window     = 128 << 10
	dictionary = 1 // any number, as it is always the same
)

// bases remembers contents to compress against, and hashes of what was kept of late.
type bases struct {
	mu     sync.Mutex
	byLike map[string]*list.Element
	order  list.List // of *base, the one used last in front
	bytes  int
	hashes map[hash]bool
}

type base struct {
	like    string
	id      int64
	raw     []byte
	encoder *zstd.Encoder // nil as long as nothing was compressed against it of late
}

// mostEncoders bounds the encoders that are kept for use: one has half a megabyte of tables, which are what takes time.
const mostEncoders = 24

// compress makes the data of a part.
func (b *bases) compress(p *part) {
	e, id := b.find(p)
	if e == nil {
		p.data = compress(p.raw)
		return
	}
	p.data, p.base = e.EncodeAll(p.raw, nil), id
	if len(p.data) > len(p.raw)/4 { // then it makes a better base itself
		p.data, p.base = compress(p.raw), 0
	}
}

// find returns what compresses against the content that resembles a part, nil where there is none.
func (b *bases) find(p *part) (*zstd.Encoder, int64) {
	if len(p.raw) < leastLike || len(p.raw) > mostLike {
		return nil, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.byLike[p.like]
	if e == nil {
		return nil, 0
	}
	b.order.MoveToFront(e)
	found := e.Value.(*base)
	if found.encoder == nil {
		found.encoder = encoder(zstd.WithEncoderDictRaw(dictionary, found.raw), zstd.WithEncoderLevel(zstd.SpeedFastest))
		b.rest()
	}
	return found.encoder, found.id
}

// rest lets go of the encoders that were used longest ago.
func (b *bases) rest() {
	n := 0
	for e := b.order.Front(); e != nil; e = e.Next() {
		if e.Value.(*base).encoder == nil {
			continue
		}
		if n++; n > mostEncoders {
			e.Value.(*base).encoder = nil
		}
	}
}

// add remembers a part that was committed.
func (b *bases) add(p *part, id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hashes == nil || len(b.hashes) >= mostRecent {
		b.hashes = map[hash]bool{}
	}
	b.hashes[p.hash] = true
	if p.base != 0 || len(p.raw) < leastLike || len(p.raw) > mostLike {
		return
	}
	if b.byLike == nil {
		b.byLike = map[string]*list.Element{}
	}
	if old := b.byLike[p.like]; old != nil {
		b.remove(old)
	}
	b.byLike[p.like] = b.order.PushFront(&base{like: p.like, id: id, raw: p.raw})
	for b.bytes += len(p.raw); b.bytes > basesBytes; {
		b.remove(b.order.Back())
	}
}

func (b *bases) remove(e *list.Element) {
	old := b.order.Remove(e).(*base)
	delete(b.byLike, old.like)
	b.bytes -= len(old.raw)
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

func (b *bases) recent(h hash) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hashes[h]
}

var plain = sync.OnceValue(func() *zstd.Encoder { return encoder() })

func encoder(more ...zstd.EOption) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(window), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true)}, more...)...)
	if err != nil {
		panic(err) // the options are constants
	}
	return e
}

func compress(raw []byte) []byte { return plain().EncodeAll(raw, nil) }

// expand is the inverse of compressing, against nothing or something like it, bounded by what is taken in.
func expand(data, like []byte) ([]byte, error) {
	options := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(2 * maxPart)}
	if like != nil {
		options = append(options, zstd.WithDecoderDictRaw(dictionary, like))
	}
	d, err := zstd.NewReader(nil, options...)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(data, []byte{})
}
