// SPDX-License-Identifier: Apache-2.0

package history

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// What is kept of two deaths of one workload differs in names, times, UIDs, addresses and numbers, and hardly in anything
// else. So a content is kept as its form, which has a mark where such a value is, and the values, each once. The forms
// of two deaths are nearly the same, and what is left of the second is its values.
//
// A mark is the class of a value that is new, or ref and where it was before. What looks like a mark is written behind
// plainly.
type told struct {
	form   []byte
	values []value
}

// A value is one thing that a content has of its own.
type value struct {
	class byte
	text  string
}

// The classes of values, which are their marks: control characters that texts hardly have.
const (
	plainly byte = 0x0e + iota
	ref
	aSecond // 2026-03-01T12:00:00Z
	aMilli  // the same with a fraction of three digits
	aMicro  // of six
	aNano   // of nine
	aUID    // 8-4-4-4-12 hexadecimal digits
	aDigest // 64 hexadecimal digits
	aSuffix // 16 of them: the names of Events end so
	aNumber // five digits or more
	anAddress
	aName // that the caller named
)

// near is how far back a value is referred to by its distance, and by its number beyond: what comes in between moves all
// that follows, but not what two neighbours are to each other.
const near = 24

// tell finds the values of a content. The names are values as well, wherever they stand as words.
func tell(raw []byte, names []string) told {
	t := told{form: make([]byte, 0, len(raw))}
	seen := map[value]int{}
	word := false // whether the last byte belonged to a word
	for i := 0; i < len(raw); {
		if !word {
			if v := valueAt(raw[i:], names); v.class != 0 {
				t.mark(v, seen)
				i += len(v.text)
				word = true
				continue
			}
		}
		c := raw[i]
		if c >= plainly && c <= aName {
			t.form = append(t.form, plainly)
		}
		t.form = append(t.form, c)
		word = isAlnum(c)
		i++
	}
	return t
}

func (t *told) mark(v value, seen map[value]int) {
	at, old := seen[v]
	if !old {
		seen[v] = len(t.values)
		t.form, t.values = append(t.form, v.class), append(t.values, v)
		return
	}
	t.form = append(t.form, ref)
	if back := len(t.values) - at; back <= near {
		t.form = append(t.form, byte(back))
		return
	}
	t.form = binary.AppendUvarint(t.form, uint64(at)+near+1)
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// valueAt returns the value that a text begins with; of class 0 where it is none.
func valueAt(raw []byte, names []string) value {
	if name := namedAt(raw, names); name != "" {
		return value{aName, name}
	}
	if !isHex(raw[0]) {
		return value{}
	}
	run, digits, next := runOf(raw)
	switch {
	case run == 64:
		return value{aDigest, string(raw[:run])}
	case run == 8 && next == '-':
		if isUID(raw) {
			return value{aUID, string(raw[:36])}
		}
	case run == 16:
		return value{aSuffix, string(raw[:run])}
	case run == 4 && digits && next == '-':
		return timeAt(raw)
	case run <= 3 && digits && next == '.':
		return addressAt(raw)
	}
	if digits && run >= 5 && run <= 18 && raw[0] != '0' {
		return value{aNumber, string(raw[:run])}
	}
	return value{}
}

// namedAt returns the name that a text begins with, where it ends there.
func namedAt(raw []byte, names []string) string {
	for _, name := range names {
		if len(raw) >= len(name) && string(raw[:len(name)]) == name && (len(raw) == len(name) || !isAlnum(raw[len(name)])) {
			return name
		}
	}
	return ""
}

// runOf returns how many hexadecimal digits a text begins with, 0 where other letters follow them; whether all are decimal,
// and what comes next.
func runOf(raw []byte) (run int, digits bool, next byte) {
	digits = true
	for run < len(raw) && isHex(raw[run]) {
		digits = digits && isDigit(raw[run])
		run++
	}
	if run == len(raw) {
		return run, digits, 0
	}
	if isAlnum(raw[run]) {
		return 0, false, 0
	}
	return run, digits, raw[run]
}

func isUID(raw []byte) bool {
	if len(raw) < 36 || len(raw) > 36 && isAlnum(raw[36]) {
		return false
	}
	for i, c := range raw[:36] {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !isHex(c) {
			return false
		}
	}
	return true
}

// layouts are those of the classes of times, from aSecond on.
var layouts = [...]string{"2006-01-02T15:04:05Z", "2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05.000000Z", "2006-01-02T15:04:05.000000000Z"}

// units are the nanoseconds that times of these layouts are counted in.
var units = [...]int64{1e9, 1e6, 1e3, 1}

// timeAt recognises a time of these layouts, and no other way to write one.
func timeAt(raw []byte) value {
	for i, layout := range layouts {
		n := len(layout)
		if len(raw) < n || raw[n-1] != 'Z' || raw[10] != 'T' || len(raw) > n && isAlnum(raw[n]) {
			continue
		}
		text := string(raw[:n])
		if at, err := time.Parse(layout, text); err == nil && at.Year() >= 1970 && at.Year() < 2200 && at.Format(layout) == text {
			return value{aSecond + byte(i), text}
		}
	}
	return value{}
}

func addressAt(raw []byte) value {
	end, dots := 0, 0
	for end < len(raw) && end < 16 && (isDigit(raw[end]) || raw[end] == '.' && dots < 3) {
		if raw[end] == '.' {
			dots++
		}
		end++
	}
	text := string(raw[:end])
	if _, ok := address(text); ok && (end == len(raw) || !isAlnum(raw[end])) {
		return value{anAddress, text}
	}
	return value{}
}

// address reads four numbers below 256 without leading zeros.
func address(text string) (bytes [4]byte, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return bytes, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || strconv.FormatUint(n, 10) != part {
			return bytes, false
		}
		bytes[i] = byte(n)
	}
	return bytes, true
}

var errForm = errors.New("a form that cannot be read")

// classes returns those of the values of a form, in their order.
func classes(form []byte) []byte {
	var all []byte
	for i := 0; i < len(form); i++ {
		switch c := form[i]; {
		case c == plainly:
			i++
		case c == ref:
			if _, n := binary.Uvarint(form[i+1:]); n > 0 {
				i += n
			}
		case c >= aSecond && c <= aName:
			all = append(all, c)
		}
	}
	return all
}

// text puts the values back into the form.
func (t *told) text(most int) ([]byte, error) {
	raw := make([]byte, 0, 2*len(t.form))
	used := 0
	for i := 0; i < len(t.form) && len(raw) <= most; i++ {
		c := t.form[i]
		switch {
		case c == plainly:
			if i++; i == len(t.form) {
				return nil, errForm
			}
			raw = append(raw, t.form[i])
		case c == ref:
			n, size := binary.Uvarint(t.form[i+1:])
			at := used - int(n)
			if n > near {
				at = int(min(n, 1<<30)) - near - 1
			}
			if size <= 0 || at < 0 || at >= used {
				return nil, errForm
			}
			raw = append(raw, t.values[at].text...)
			i += size
		case c >= aSecond && c <= aName:
			if used == len(t.values) {
				return nil, errForm
			}
			raw = append(raw, t.values[used].text...)
			used++
		default:
			raw = append(raw, c)
		}
	}
	if len(raw) > most {
		return nil, errForm
	}
	return raw, nil
}

// binaryOf returns the short form of a value: a number, or bytes.
func (v value) binaryOf() (n uint64, bytes []byte) {
	switch v.class {
	case aSecond, aMilli, aMicro, aNano:
		at, _ := time.Parse(layouts[v.class-aSecond], v.text) // it was recognised by that
		return uint64(at.UnixNano() / units[v.class-aSecond]), nil
	case aNumber:
		n, _ = strconv.ParseUint(v.text, 10, 64)
		return n, nil
	case aSuffix:
		n, _ = strconv.ParseUint(v.text, 16, 64)
		return n, nil
	case anAddress:
		four, _ := address(v.text)
		return 0, four[:]
	case aName:
		return 0, []byte(v.text)
	}
	bytes, _ = hex.DecodeString(strings.ReplaceAll(v.text, "-", ""))
	return 0, bytes
}

// textOf is the inverse of binaryOf.
func textOf(class byte, n uint64, bytes []byte) string {
	switch class {
	case aSecond, aMilli, aMicro, aNano:
		unit := units[class-aSecond]
		second := 1_000_000_000 / unit
		return time.Unix(int64(n)/second, int64(n)%second*unit).UTC().Format(layouts[class-aSecond])
	case aNumber:
		return strconv.FormatUint(n, 10)
	case aSuffix:
		digits := strconv.FormatUint(n, 16)
		return strings.Repeat("0", 16-len(digits)) + digits
	case anAddress:
		return strconv.Itoa(int(bytes[0])) + "." + strconv.Itoa(int(bytes[1])) + "." + strconv.Itoa(int(bytes[2])) + "." + strconv.Itoa(int(bytes[3]))
	case aName:
		return string(bytes)
	}
	text := hex.EncodeToString(bytes)
	if class == aUID {
		text = text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
	}
	return text
}

// sizes are those of classes that are kept as so many bytes.
var sizes = map[byte]int{aUID: 16, aDigest: 32, anAddress: 4}
