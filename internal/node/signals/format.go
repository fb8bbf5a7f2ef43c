// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
)

// A field is where a value is in a record of the trace.
type field struct{ at, size int }

// int reads a signed number; 0 where the record is too short or has no such field.
func (f field) int(b []byte) int {
	if f.at < 0 || f.at+f.size > len(b) {
		return 0
	}
	switch b = b[f.at:]; f.size {
	case 1:
		return int(int8(b[0]))
	case 2:
		return int(int16(binary.NativeEndian.Uint16(b)))
	case 4:
		return int(int32(binary.NativeEndian.Uint32(b)))
	case 8:
		return int(int64(binary.NativeEndian.Uint64(b)))
	}
	return 0
}

// text reads a name.
func (f field) text(b []byte) string {
	if f.at < 0 || f.at+f.size > len(b) {
		return ""
	}
	name, _, _ := bytes.Cut(b[f.at:f.at+f.size], []byte{0})
	return printable(string(name))
}

// A form is how the records of one kind of event are laid out, as its file "format" says.
type form struct {
	id     int
	fields map[string]field
}

var (
	formID    = regexp.MustCompile(`(?m)^ID: (\d{1,5})$`)
	formField = regexp.MustCompile(`(?m)^\tfield:[^;]*?(\w+)(?:\[[^\]]*\])?;\toffset:(\d{1,6});\tsize:(\d{1,6});`)
)

// parseForm reads such a file, which must have the fields named.
func parseForm(text string, need ...string) (form, error) {
	f := form{fields: map[string]field{}}
	if m := formID.FindStringSubmatch(text); m != nil {
		f.id, _ = strconv.Atoi(m[1])
	}
	for _, m := range formField.FindAllStringSubmatch(text, -1) {
		at, _ := strconv.Atoi(m[2])
		size, _ := strconv.Atoi(m[3])
		f.fields[m[1]] = field{at, size}
	}
	for _, name := range append(need, "common_type", "common_pid") {
		if _, ok := f.fields[name]; !ok {
			return f, fmt.Errorf("the kernel's format of the event has no field %s", name)
		}
	}
	return f, nil
}

// A paging is how a page of the trace buffer is laid out, as events/header_page says.
type paging struct{ commit, data field }

func parsePaging(text string) (paging, error) {
	p := paging{}
	for _, m := range regexp.MustCompile(`(?m)^\tfield:[^;]*?(\w+);\toffset:(\d{1,6});\tsize:(\d{1,7});`).FindAllStringSubmatch(text, -1) {
		at, _ := strconv.Atoi(m[2])
		size, _ := strconv.Atoi(m[3])
		switch m[1] {
		case "commit":
			p.commit = field{at, size}
		case "data":
			p.data = field{at, size}
		}
	}
	if p.commit.at != 8 || p.commit.size != 4 && p.commit.size != 8 || p.data.at < p.commit.at+p.commit.size || p.data.size == 0 || p.data.at+p.data.size > maxPage {
		return p, fmt.Errorf("a page of the kernel's trace has an unknown form: %+v", p)
	}
	return p, nil
}

// maxPage is the largest page of a trace: those of the largest pages of memory there are.
const maxPage = 64 << 10

// Bits of the field commit: records were lost before this page, and their number stands behind its data
// (RB_MISSED_EVENTS and RB_MISSED_STORED of kernel/trace/ring_buffer.c).
const (
	missedEvents = 1 << 31
	missedStored = 1 << 30
)

// Kinds of entries of a page (include/linux/ring_buffer.h); those from 1 to 28 are the size of a record in words.
const (
	longRecord = 0
	padding    = 29
	timeExtend = 30
	timeStamp  = 31
)

// each calls f for every record of a page, with its time in nanoseconds, and returns how many records were lost before it: 1 where the
// kernel does not say how many.
func (p paging) each(page []byte, f func(at uint64, data []byte)) (lost uint64) {
	if len(page) < p.data.at {
		return 0
	}
	at := binary.NativeEndian.Uint64(page)
	commit := uint64(binary.NativeEndian.Uint32(page[p.commit.at:]))
	if p.commit.size == 8 {
		commit = binary.NativeEndian.Uint64(page[p.commit.at:])
	}
	data := page[p.data.at:]
	size := min(commit&(missedStored-1), uint64(len(data)))
	if commit&missedEvents != 0 {
		lost = 1
		if rest := data[size:]; commit&missedStored != 0 && len(rest) >= p.commit.size {
			lost = p.stored(rest)
		}
	}
	data = data[:size]
	for len(data) >= 4 {
		kind, delta := entryHead(data)
		length, body, ok := extent(kind, delta, data)
		if !ok {
			return lost
		}
		switch kind {
		case timeExtend:
			at += uint64(binary.NativeEndian.Uint32(data[4:]))<<27 + delta
		case timeStamp: // the upper bits are those of before
			at = at&^(1<<59-1) | (uint64(binary.NativeEndian.Uint32(data[4:]))<<27+delta)&(1<<59-1)
		case padding:
			at += delta
		default:
			at += delta
			f(at, body)
		}
		data = data[length:]
	}
	return lost
}

// stored reads the number of lost records, a long of the machine.
func (p paging) stored(b []byte) uint64 {
	if p.commit.size == 8 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}

// entryHead reads the bit fields at the beginning of an entry: 5 bits of its kind, 27 of time.
func entryHead(b []byte) (kind int, delta uint64) {
	word := binary.NativeEndian.Uint32(b)
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // a big machine fills words from the other end
		return int(word >> 27), uint64(word & (1<<27 - 1))
	}
	return int(word & 31), uint64(word >> 5)
}

// extent returns how long an entry is, and the record in it. It is not all right where the page ends.
func extent(kind int, delta uint64, b []byte) (length int, body []byte, ok bool) {
	start := 4
	switch {
	case kind == padding && delta == 0:
		return 0, nil, false
	case kind == longRecord, kind == padding:
		if len(b) < 8 {
			return 0, nil, false
		}
		start, length = 8, 4+int(binary.NativeEndian.Uint32(b[4:]))
	case kind == timeExtend, kind == timeStamp:
		start, length = 8, 8
	default:
		length = 4 + 4*kind
	}
	if length < start || length > len(b) {
		return 0, nil, false
	}
	return length, b[start:length], true
}
