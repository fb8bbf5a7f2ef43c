// SPDX-License-Identifier: Apache-2.0

package history

import (
	"container/list"
	"crypto/sha256"
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
	hashes map[[sha256.Size]byte]bool
}

type base struct {
	like string
	id   int64
	raw  []byte
}

// compress makes the data of a part.
func (b *bases) compress(p *part) {
	like := b.find(p)
	if like == nil {
		p.data = compress(p.raw)
		return
	}
	p.data, p.base = compressLike(p.raw, like.raw), like.id
	if len(p.data) > len(p.raw)/4 { // then it makes a better base itself
		p.data, p.base = compress(p.raw), 0
	}
}

func (b *bases) find(p *part) *base {
	if len(p.raw) < leastLike || len(p.raw) > mostLike {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.byLike[p.like]
	if e == nil {
		return nil
	}
	b.order.MoveToFront(e)
	return e.Value.(*base)
}

// add remembers a part that was committed.
func (b *bases) add(p *part, id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hashes == nil || len(b.hashes) >= mostRecent {
		b.hashes = map[[sha256.Size]byte]bool{}
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
	b.byLike[p.like] = b.order.PushFront(&base{p.like, id, p.raw})
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

func (b *bases) recent(hash [sha256.Size]byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hashes[hash]
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

func compressLike(raw, like []byte) []byte {
	return encoder(zstd.WithEncoderDictRaw(dictionary, like)).EncodeAll(raw, nil)
}

// expand is the inverse of both, bounded by what is taken in.
func expand(data, like []byte) ([]byte, error) {
	options := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxPart)}
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
