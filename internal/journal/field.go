// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	mostItems      = 1024     // fields of one entry that are looked at; journald itself takes as many
	maxValue       = 64 << 10 // bytes of a field that are kept
	maxCompressed  = 1 << 20  // bytes of one that is compressed, before and after
	mostCompressed = 8        // of those in one entry
	maxShort       = 256      // bytes of a field that is read in one piece
	mostKnown      = 256      // values that are remembered of a file
)

// A field is one of an entry: its name and its value. One that nobody here asks for has no name.
type field struct{ name, value string }

// wanted are the fields that an Entry is made of.
var wanted = []string{
	"MESSAGE", "PRIORITY", "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER", "UNIT", "_PID", "_SOURCE_MONOTONIC_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP",
	"_SYSTEMD_UNIT", "_TRANSPORT",
}

// errUnread is why a field is left out: it is compressed in a way that is not read here, or too large.
var errUnread = errors.New("a field is not read")

// entry reads an entry, and counts the fields that it could not read.
func (r *Reader) entry(f *file, at uint64, s stamp) (e Entry, err error) {
	width := uint64(16)
	if f.isCompact() {
		width = 4
	}
	n := min((s.size-entryHead)/width, mostItems)
	items := make([]byte, n*width)
	if got, err := f.in.ReadAt(items, int64(at+entryHead)); got < len(items) {
		return e, errors.Join(errDamaged, err)
	}
	values := make(map[string]string, len(wanted))
	compressed := 0
	for ; len(items) > 0; items = items[width:] {
		v, err := r.field(f, offsetOf(items[:width]), &compressed)
		if err != nil {
			r.unread++
			continue
		}
		if _, twice := values[v.name]; v.name != "" && !twice {
			values[v.name] = v.value
		}
	}
	return entryOf(s, values), nil
}

func offsetOf(item []byte) uint64 {
	if len(item) == 4 {
		return uint64(binary.LittleEndian.Uint32(item))
	}
	return binary.LittleEndian.Uint64(item)
}

// field reads a field, if it is one of those that are wanted.
func (r *Reader) field(f *file, at uint64, compressed *int) (field, error) {
	if v, ok := f.known[at]; ok {
		return v, nil
	}
	head := f.dataHead()
	var b [dataHeadCompact + maxShort]byte
	got, size, err := f.object(at, kindData, b[:])
	if err != nil || len(got) < head {
		return field{}, errDamaged
	}
	flags, payload, whole := got[1], got[head:], size-uint64(head)
	if flags == 0 && whole > uint64(len(payload)) && nameOf(payload) != "" {
		payload = make([]byte, min(whole, maxValue))
		if n, err := f.in.ReadAt(payload, int64(at)+int64(head)); n < len(payload) {
			return field{}, errors.Join(errDamaged, err)
		}
	}
	if flags != 0 {
		if *compressed++; *compressed > mostCompressed {
			return field{}, errUnread
		}
		if payload, err = r.expand(f, at+uint64(head), whole, flags); err != nil {
			return field{}, err
		}
	}
	v := fieldOf(payload)
	if len(v.value) <= maxShort && v.name != "MESSAGE" {
		if len(f.known) >= mostKnown {
			clear(f.known)
		}
		f.known[at] = v
	}
	return v, nil
}

// nameOf is the name of a field that is wanted, "" of any other.
func nameOf(payload []byte) string {
	name, _, ok := bytes.Cut(payload[:min(len(payload), 64)], []byte("="))
	if i := slices.Index(wanted, string(name)); ok && i >= 0 {
		return wanted[i]
	}
	return ""
}

func fieldOf(payload []byte) field {
	name := nameOf(payload)
	if name == "" {
		return field{}
	}
	value := payload[len(name)+1:]
	return field{name, string(value[:min(len(value), maxValue)])}
}

// expand reads a compressed field.
func (r *Reader) expand(f *file, at, size uint64, flags byte) ([]byte, error) {
	if size > maxCompressed {
		return nil, errUnread
	}
	packed := make([]byte, size)
	if n, err := f.in.ReadAt(packed, int64(at)); n < len(packed) {
		return nil, errors.Join(errDamaged, err)
	}
	switch flags {
	case 1 << 1:
		return unpackLZ4(packed)
	case 1 << 2:
		return r.unpackZstd(packed)
	}
	return nil, errUnread
}

func (r *Reader) unpackZstd(packed []byte) ([]byte, error) {
	if r.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxCompressed))
		if err != nil {
			return nil, err
		}
		r.zstd = d
	}
	return r.zstd.DecodeAll(packed, nil)
}

// entryOf makes an entry of its fields.
func entryOf(s stamp, values map[string]string) Entry {
	e := Entry{
		Seq: s.seq, At: micro(s.real), Boot: s.bootID(), Monotonic: since(s.mono), Facility: -1, Priority: -1,
		Transport: values["_TRANSPORT"], SystemdUnit: values["_SYSTEMD_UNIT"], Unit: values["UNIT"],
		Identifier: values["SYSLOG_IDENTIFIER"], Message: values["MESSAGE"],
	}
	for _, n := range []struct {
		to   *int
		name string
	}{{&e.Facility, "SYSLOG_FACILITY"}, {&e.Priority, "PRIORITY"}, {&e.PID, "_PID"}} {
		if v, err := strconv.ParseUint(values[n.name], 10, 31); err == nil {
			*n.to = int(v)
		}
	}
	if us, err := strconv.ParseUint(values["_SOURCE_MONOTONIC_TIMESTAMP"], 10, 64); err == nil {
		e.Source = since(us)
	}
	if us, err := strconv.ParseUint(values["_SOURCE_REALTIME_TIMESTAMP"], 10, 64); err == nil {
		e.At = micro(us)
	} else if late := e.Monotonic - e.Source; e.Source > 0 && late > lately && e.Monotonic < atBoot {
		e.At = e.At.Add(-late)
	}
	return e
}

const (
	// lately is how much later the journal may take a record of the kernel than the kernel wrote it, and atBoot until when after boot
	// it is another one: journald begins after the kernel, and the kernel's clock drifts away from the machine's later on.
	lately, atBoot = time.Second, 5 * time.Minute
	maxMicro       = 1 << 52 // in the year 2112
)

func micro(us uint64) time.Time     { return time.UnixMicro(int64(min(us, maxMicro))).UTC() }
func since(us uint64) time.Duration { return time.Duration(min(us, maxMicro)) * time.Microsecond }
