// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// What stands where in a file: all numbers have the low byte first, all objects begin at a multiple of eight.
const (
	signature  = "LPKSHHRH"
	leastHead  = 208 // bytes of the header that each version has
	objectHead = 16

	dataHead, dataHeadCompact = 64, 72
	fieldHead                 = 40
	entryHead                 = 64
	arrayHead                 = 24
)

// Kinds of objects.
const (
	kindData  = 1
	kindField = 2
	kindEntry = 3
	kindArray = 6
)

// Flags of the header that change how the rest is to be read, and one that says that the boot of the last entry is its boot.
const (
	compressedXZ, compressedLZ4 = 1 << 0, 1 << 1
	keyedHash                   = 1 << 2 // of no concern here: nothing is looked up by hash
	compressedZstd              = 1 << 3
	compact                     = 1 << 4
	known                       = compressedXZ | compressedLZ4 | keyedHash | compressedZstd | compact

	tailBoot = 1 << 1
)

const (
	online     = 1       // state of a file that is being written, or was when the power went
	maxTable   = 1 << 20 // bytes of the table of fields; systemd makes one of 5 KiB
	mostFields = 4096
	mostValues = 1 << 17 // of one field in one file
)

var (
	errFormat  = errors.New("it is not in a form of journal files that is known here")
	errDamaged = errors.New("it is damaged")
)

// A header is what the head of a file says, as far as it is needed.
type header struct {
	flags         uint32
	hasTailBoot   bool
	state         byte
	boot, id      string // boot of the last entry, and id of the numbering
	size          uint64 // of the header
	fields, table uint64 // where the table of fields is, and its size
	tail, head    uint64 // numbers of the last and the first entry; 0: there is none
	headReal      uint64 // microseconds since 1970
	tailReal      uint64
	tailMono      uint64 // microseconds since boot
}

// A file is one journal file.
type file struct {
	in   io.ReaderAt
	size int64 // of the file, beyond which nothing is
	header
	known map[uint64]field // values that come again and again, by where they are
	named map[string]uint64
}

// open reads the header of a file of so many bytes.
func open(in io.ReaderAt, size int64) (*file, error) {
	f := &file{in: in, known: map[uint64]field{}, named: map[string]uint64{}}
	return f, f.refresh(size)
}

// refresh reads the header anew.
func (f *file) refresh(size int64) error {
	var b [leastHead]byte
	if n, err := f.in.ReadAt(b[:], 0); n < len(b) {
		return fmt.Errorf("read its header: %w", err)
	}
	u32, u64 := binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	h := header{
		flags: u32(b[12:]), hasTailBoot: u32(b[8:])&tailBoot != 0, state: b[16], boot: hex.EncodeToString(b[56:72]), id: hex.EncodeToString(b[72:88]),
		size: u64(b[88:]), fields: u64(b[120:]), table: u64(b[128:]), tail: u64(b[160:]), head: u64(b[168:]),
		headReal: u64(b[184:]), tailReal: u64(b[192:]), tailMono: u64(b[200:]),
	}
	if string(b[:8]) != signature || h.flags&^known != 0 || h.size < leastHead || h.size > 1<<16 || h.size%8 != 0 || h.table > maxTable {
		return errFormat
	}
	f.header, f.size = h, size
	return nil
}

func (f *file) isCompact() bool { return f.flags&compact != 0 }

// object reads the beginning of an object of the kind given, as much as fits into b, and says how large the object is.
func (f *file) object(at uint64, kind byte, b []byte) (got []byte, size uint64, err error) {
	if at%8 != 0 || at < f.header.size || f.size < objectHead || at > uint64(f.size)-objectHead {
		return nil, 0, errDamaged
	}
	n, err := f.in.ReadAt(b, int64(at))
	if n < objectHead {
		return nil, 0, errors.Join(errDamaged, err)
	}
	size = binary.LittleEndian.Uint64(b[8:])
	if b[0] != kind || size < objectHead || size > uint64(f.size)-at {
		return nil, 0, errDamaged
	}
	return b[:min(uint64(n), size)], size, nil
}

// number reads a number of so many bytes.
func (f *file) number(at uint64, size int) (uint64, error) {
	var b [8]byte
	if n, err := f.in.ReadAt(b[:size], int64(at)); n < size {
		return 0, errors.Join(errDamaged, err)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// field finds the object of a field by its name; 0 where the file has none yet. Those whose hashes are alike are chained in the order in
// which they were written.
func (f *file) field(name string) (uint64, error) {
	if at := f.named[name]; at != 0 {
		return at, nil
	}
	if f.fields < f.header.size || f.fields > uint64(f.size) || f.table > uint64(f.size)-f.fields {
		return 0, errDamaged
	}
	table := make([]byte, f.table)
	if n, err := f.in.ReadAt(table, int64(f.fields)); n < len(table) {
		return 0, errors.Join(errDamaged, err)
	}
	var seen int
	var broken error
	var b [fieldHead + 64]byte
	for ; len(table) >= 16; table = table[16:] {
		for at := binary.LittleEndian.Uint64(table); at != 0; seen++ {
			got, _, err := f.object(at, kindField, b[:])
			if err != nil || len(got) < fieldHead || seen >= mostFields {
				broken = errDamaged // the others may be sound
				break
			}
			if string(got[fieldHead:]) == name {
				f.named[name] = at
				return at, nil
			}
			next := binary.LittleEndian.Uint64(got[24:])
			if next <= at && next != 0 {
				broken = errDamaged
				break
			}
			at = next
		}
	}
	return 0, broken
}

// value finds the object that has a field's value, "FIELD=value", among those that were written behind the place given, and
// returns where the newest value of that field is, to look behind that the next time. The newest are first in the chain.
func (f *file) value(of string, behind uint64) (at, newest uint64, err error) {
	name, _, _ := bytes.Cut([]byte(of), []byte("="))
	field, err := f.field(string(name))
	if err != nil || field == 0 {
		return 0, behind, err
	}
	if at, err = f.number(field+32, 8); err != nil {
		return 0, behind, err
	}
	newest = at
	b := make([]byte, dataHeadCompact+len(of)+1)
	for range mostValues {
		if at <= behind {
			return 0, newest, nil
		}
		got, size, err := f.object(at, kindData, b)
		if err != nil || len(got) < dataHead {
			return 0, behind, errDamaged
		}
		if head := f.dataHead(); size == uint64(head+len(of)) && len(got) >= head && got[1] == 0 && string(got[head:]) == of {
			return at, newest, nil
		}
		next := binary.LittleEndian.Uint64(got[32:])
		if next >= at {
			break
		}
		at = next
	}
	return 0, behind, errDamaged
}

func (f *file) dataHead() int {
	if f.isCompact() {
		return dataHeadCompact
	}
	return dataHead
}
