// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// A written is a small journal file that a test writes, by the documented form: with a table of fields of three places, and arrays
// that begin with room for two entries.
type written struct {
	b       []byte
	compact bool
	seq     uint64
	data    map[string]int
	field   map[string]int
	chains  map[int]*link // by the object of the value
}

// A link is the end of a chain.
type link struct{ array, room, used int }

const bootA, bootB = "0000000000000000000000000000000a", "0000000000000000000000000000000b"

// write begins a file of a numbering, of which the last entry was given.
func write(id string, last uint64, isCompact bool) *written {
	w := &written{compact: isCompact, seq: last, data: map[string]int{}, field: map[string]int{}, chains: map[int]*link{}}
	w.b = make([]byte, 256+objectHead+3*16)
	copy(w.b, signature)
	w.u32(8, tailBoot)
	w.u32(12, compressedZstd|compressedLZ4)
	if isCompact {
		w.u32(12, compressedZstd|compressedLZ4|compact)
	}
	w.b[16] = online
	numbering, _ := hex.DecodeString(id)
	copy(w.b[72:], numbering)
	w.u64(88, 256)
	w.b[256] = 5
	w.u64(256+8, objectHead+3*16)
	w.u64(120, 256+objectHead)
	w.u64(128, 3*16)
	return w
}

func (w *written) u64(at int, v uint64) { binary.LittleEndian.PutUint64(w.b[at:], v) }
func (w *written) u32(at int, v uint32) { binary.LittleEndian.PutUint32(w.b[at:], v) }
func (w *written) get(at int) uint64    { return binary.LittleEndian.Uint64(w.b[at:]) }

// object adds one, and returns where it is.
func (w *written) object(kind, flags byte, size int) int {
	at := len(w.b)
	w.b = append(w.b, make([]byte, (size+7)/8*8)...)
	w.b[at], w.b[at+1] = kind, flags
	w.u64(at+8, uint64(size))
	return at
}

// entry adds one with the fields given. A field of which the name ends with "~" is as it is to be stored, compressed.
func (w *written) entry(boot string, mono, at uint64, fields ...string) {
	var items []int
	for _, f := range fields {
		items = append(items, w.value(f, 0, f))
	}
	w.link(boot, mono, at, items)
}

func (w *written) value(text string, flags byte, payload string) int {
	if at := w.data[text]; at != 0 {
		return at
	}
	name, _, _ := strings.Cut(text, "=")
	if w.field[name] == 0 {
		at := w.object(kindField, 0, fieldHead+len(name))
		copy(w.b[at+fieldHead:], name)
		place := 256 + objectHead + len(w.field)%3*16
		if w.get(place) == 0 {
			w.u64(place, uint64(at))
		} else {
			w.u64(int(w.get(place+8))+24, uint64(at))
		}
		w.u64(place+8, uint64(at))
		w.field[name] = at
	}
	head := dataHead
	if w.compact {
		head = dataHeadCompact
	}
	at := w.object(kindData, flags, head+len(payload))
	copy(w.b[at+head:], payload)
	w.u64(at+32, w.get(w.field[name]+32))
	w.u64(w.field[name]+32, uint64(at))
	w.data[text] = at
	return at
}

// link writes the entry itself.
func (w *written) link(boot string, mono, at uint64, items []int) {
	width := 16
	if w.compact {
		width = 4
	}
	w.seq++
	o := w.object(kindEntry, 0, entryHead+width*len(items))
	w.u64(o+16, w.seq)
	w.u64(o+24, at)
	w.u64(o+32, mono)
	id, _ := hex.DecodeString(boot)
	copy(w.b[o+40:], id)
	for i, item := range items {
		w.u32(o+entryHead+i*width, uint32(item))
	}
	if w.get(168) == 0 {
		w.u64(168, w.seq)
		w.u64(184, at)
	}
	w.u64(160, w.seq)
	w.u64(192, at)
	w.u64(200, mono)
	copy(w.b[56:], id)
	for _, item := range items {
		w.enter(item, o)
	}
}

// enter adds an entry to the chain of a value.
func (w *written) enter(value, entry int) {
	l := w.chains[value]
	if l == nil {
		w.chains[value] = &link{}
		w.u64(value+40, uint64(entry))
		return
	}
	width := 8
	if w.compact {
		width = 4
	}
	if l.used == l.room {
		room := max(2, 2*l.room)
		array := w.object(kindArray, 0, arrayHead+room*width)
		from := value + 48
		if l.array != 0 {
			from = l.array + objectHead
		}
		w.u64(from, uint64(array))
		*l = link{array: array, room: room}
	}
	w.u32(l.array+arrayHead+l.used*width, uint32(entry))
	l.used++
}
