// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"encoding/hex"
	"sort"
)

// A chain is the entries of a file that have one value of one field, in the order in which they were written. The first one
// is named by the value's object itself, the others by arrays of growing size, each of which names the next.
type chain struct {
	f      *file
	of     string // "FIELD=value"
	newest uint64 // of the field's values, when it was looked for last

	data  uint64 // where the value is; 0: it is not there yet
	array uint64 // that is being read; 0: none yet
	room  uint64 // entries that fit into it
	i     uint64 // of the next in it
	first bool   // the one that the value names has been read
	last  uint64 // entry that was read: the next ones lie behind it
	next  uint64 // entry; 0: not looked for yet, or there is none
	dead  bool   // it is damaged, and not looked at any more
}

// peek returns where the next entry is, 0 when there is none yet, having looked at no more than the places given.
func (c *chain) peek(looks *int) (uint64, error) {
	for c.next == 0 {
		if *looks--; *looks < 0 {
			return 0, nil
		}
		at, err := c.look()
		if err != nil || at == 0 {
			return 0, err
		}
		if at > c.last {
			c.next = at
		}
	}
	return c.next, nil
}

// pass leaves the entry behind that peek told of.
func (c *chain) pass() { c.last, c.next = c.next, 0 }

// look goes one place on.
func (c *chain) look() (at uint64, err error) {
	if found, err := c.find(); !found || err != nil {
		return 0, err
	}
	if !c.first {
		if at, err = c.f.number(c.data+40, 8); at != 0 {
			c.first = true
		}
		return at, err
	}
	if ok, err := c.turn(); !ok || err != nil {
		return 0, err
	}
	if at, err = c.item(c.i); at != 0 {
		c.i++
	}
	return at, err
}

// find looks for the value.
func (c *chain) find() (bool, error) {
	if c.data != 0 {
		return true, nil
	}
	at, newest, err := c.f.value(c.of, c.newest)
	c.newest = newest
	if at != 0 {
		var b [dataHead]byte
		if got, _, err := c.f.object(at, kindData, b[:]); err != nil || len(got) < dataHead {
			return false, errDamaged
		}
		c.data = at
	}
	return at != 0, err
}

// turn goes to the next array where this one is at its end, and says whether there is one to read.
func (c *chain) turn() (bool, error) {
	if c.array != 0 && c.i < c.room {
		return true, nil
	}
	from := c.data + 48
	if c.array != 0 {
		from = c.array + objectHead
	}
	next, err := c.f.number(from, 8)
	if next == 0 || err != nil {
		return false, err
	}
	var b [arrayHead]byte
	_, size, err := c.f.object(next, kindArray, b[:])
	if err != nil || next <= c.array || size < arrayHead {
		return false, errDamaged
	}
	c.array, c.i, c.room = next, 0, (size-arrayHead)/uint64(c.width())
	return c.room > 0, nil
}

func (c *chain) width() int {
	if c.f.isCompact() {
		return 4
	}
	return 8
}

// item reads a place of the array; 0: it is not used yet.
func (c *chain) item(i uint64) (uint64, error) {
	return c.f.number(c.array+arrayHead+i*uint64(c.width()), c.width())
}

// seek goes to the first entry that is wanted, of which all later ones are too. What cannot be read counts as wanted.
func (c *chain) seek(wanted func(stamp) bool) error {
	is := func(at uint64) bool {
		s, err := c.f.stamp(at)
		return err != nil || wanted(s)
	}
	if found, err := c.find(); !found || err != nil {
		return err
	}
	at, err := c.f.number(c.data+40, 8)
	if err != nil || at == 0 || is(at) {
		return err
	}
	c.first, c.last = true, at
	for {
		if ok, err := c.turn(); !ok || err != nil {
			return err
		}
		n := sort.Search(int(min(c.room, 1<<31)), func(i int) bool {
			at, err := c.item(uint64(i))
			return err != nil || at == 0 || is(at)
		})
		if c.i = uint64(n); c.i < c.room {
			return nil
		}
	}
}

// A stamp is what an entry says of itself: its number, and when it was taken, in microseconds since 1970 and since boot.
type stamp struct {
	seq, real, mono uint64
	boot            [16]byte
	size            uint64 // of its object
}

func (s *stamp) bootID() string { return hex.EncodeToString(s.boot[:]) }

// stamp reads that of an entry.
func (f *file) stamp(at uint64) (s stamp, err error) {
	var b [entryHead]byte
	got, size, err := f.object(at, kindEntry, b[:])
	if err != nil || len(got) < entryHead {
		return s, errDamaged
	}
	u64 := binary.LittleEndian.Uint64
	return stamp{u64(got[16:]), u64(got[24:]), u64(got[32:]), [16]byte(got[40:56]), size}, nil
}
