// SPDX-License-Identifier: Apache-2.0

package history

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Values are written next to those of a base: how many in a row are the same there, and then one that is not, or is in
// another place. Times and numbers are written by their distance from the last one of their class, names without what
// they have in common with the one in their place.

// appendValues writes values next to those of a base, which may be none.
func appendValues(data []byte, values, base []value) []byte {
	places := make(map[value]int, len(base))
	for i, v := range base {
		places[v] = i
	}
	var last [aName + 1]uint64
	next, run := 0, 0
	for _, v := range values {
		n, bytes := v.binaryOf()
		place, known := places[v]
		if known && place == next {
			next, run, last[v.class] = next+1, run+1, n
			continue
		}
		data = binary.AppendUvarint(data, uint64(run)<<1|bit(known))
		run = 0
		if known {
			data = binary.AppendUvarint(data, uint64(place))
			next = place + 1
		} else {
			data = appendValue(data, v, n-last[v.class], bytes, nameAt(base, next))
			next++
		}
		last[v.class] = n
	}
	return data // what is left are so many as the base has there
}

func appendValue(data []byte, v value, distance uint64, bytes []byte, like string) []byte {
	switch {
	case v.class == aName:
		same := 0
		for same < len(like) && same < len(v.text) && like[same] == v.text[same] {
			same++
		}
		data = binary.AppendUvarint(data, uint64(same))
		data = binary.AppendUvarint(data, uint64(len(v.text)-same))
		return append(data, v.text[same:]...)
	case bytes != nil:
		return append(data, bytes...)
	}
	return binary.AppendVarint(data, int64(distance))
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// nameAt is what a name in a place of the base is likely to begin as.
func nameAt(base []value, place int) string {
	if place < len(base) && base[place].class == aName {
		return base[place].text
	}
	return ""
}

var errValues = errors.New("values that cannot be read")

// A reader takes a text apart.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *reader) distance() uint64 {
	n, size := binary.Varint(r.data)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[size:]
	return uint64(n)
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.bad = true
		return nil
	}
	bytes := r.data[:n]
	r.data = r.data[n:]
	return bytes
}

// readValues is the inverse of appendValues, for values of known classes.
func readValues(data, classes []byte, base []value) ([]value, error) {
	r := &reader{data: data}
	var last [aName + 1]uint64
	values := make([]value, 0, len(classes))
	next, run, known, more := 0, uint64(0), false, false
	read := func() {
		if more = len(r.data) > 0; more {
			n := r.number()
			run, known = n>>1, n&1 != 0
			return
		}
		run = uint64(len(classes)) // the rest
	}
	read()
	for _, class := range classes {
		var v value
		switch {
		case run > 0:
			run--
			v, next = placed(base, next, r), next+1
		case !more:
			return nil, errValues
		case known:
			place := int(min(r.number(), 1<<30))
			v, next = placed(base, place, r), place+1
			read()
		default:
			v, next = r.value(class, last[class], nameAt(base, next)), next+1
			read()
		}
		if r.bad || v.class != class {
			return nil, errValues
		}
		last[class], _ = v.binaryOf()
		values = append(values, v)
	}
	return values, nil
}

func placed(base []value, place int, r *reader) value {
	if place >= len(base) {
		r.bad = true
		return value{}
	}
	return base[place]
}

func (r *reader) value(class byte, last uint64, like string) value {
	if size, ok := sizes[class]; ok {
		bytes := r.bytes(uint64(size))
		if r.bad {
			return value{}
		}
		return value{class, textOf(class, 0, bytes)}
	}
	if class != aName {
		return value{class, textOf(class, last+r.distance(), nil)}
	}
	same := r.number()
	if same > uint64(len(like)) {
		r.bad = true
		return value{}
	}
	rest := r.bytes(r.number())
	return value{class, string(slices.Concat([]byte(like[:same]), rest))}
}
