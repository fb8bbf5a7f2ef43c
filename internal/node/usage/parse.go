// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"bytes"
	"math"
)

// unlimited is what "max" means, and whatever is so large that it means the same (control groups v1 write the largest
// number of pages).
const unlimited = math.MaxUint64

// number reads a file with one number, or "max", or "-1" as v1 writes a quota that is none.
func number(b []byte) (uint64, bool) {
	b = bytes.TrimSpace(b)
	if string(b) == "max" || string(b) == "-1" {
		return unlimited, true
	}
	return digits(b)
}

// digits is a number of at least one digit and nothing else; one that does not fit is the largest.
func digits(b []byte) (uint64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxUint64-9)/10 {
			return unlimited, true
		}
		n = 10*n + uint64(c-'0')
	}
	return n, true
}

// limit is number for a limit: what no machine has is no limit.
func limit(b []byte) uint64 {
	n, ok := number(b)
	if !ok || n >= 1<<62 {
		return unlimited
	}
	return n
}

// keyed hands on each line "key number" of a flat-keyed file (kernel Documentation/admin-guide/cgroup-v2.rst).
func keyed(b []byte, each func(key []byte, value uint64)) {
	for line := range bytes.Lines(b) {
		key, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if !ok {
			continue
		}
		if n, ok := digits(bytes.TrimSpace(value)); ok {
			each(key, n)
		}
	}
}

// pressure is pressure stall information: hundredths of a percent of the last minute in which some tasks, and all of
// them, waited, and the microseconds of it since ever (kernel Documentation/accounting/psi.rst).
type pressure struct {
	some, full           uint16
	someTotal, fullTotal uint64
	known                bool
}

func parsePressure(b []byte) pressure {
	var p pressure
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		share, total, ok := pressureLine(fields[1:])
		switch {
		case !ok:
		case string(fields[0]) == "some":
			p.some, p.someTotal, p.known = share, total, true
		case string(fields[0]) == "full":
			p.full, p.fullTotal, p.known = share, total, true
		}
	}
	return p
}

func pressureLine(fields [][]byte) (share uint16, total uint64, ok bool) {
	for _, field := range fields {
		key, value, _ := bytes.Cut(field, []byte("="))
		switch string(key) {
		case "avg60":
			share, ok = hundredths(value)
		case "total":
			total, _ = digits(value)
		}
	}
	return share, total, ok
}

// hundredths reads "12.34" into 1234, at most 10000.
func hundredths(b []byte) (uint16, bool) {
	whole, part, _ := bytes.Cut(b, []byte("."))
	n, ok := digits(whole)
	if !ok {
		return 0, false
	}
	cents := uint64(0)
	for i := range 2 {
		cents *= 10
		if i < len(part) {
			if part[i] < '0' || part[i] > '9' {
				return 0, false
			}
			cents += uint64(part[i] - '0')
		}
	}
	return uint16(min(min(n, 100)*100+cents, 10000)), true
}
